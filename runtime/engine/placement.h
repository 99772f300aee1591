// Where the values of a program lie in its arena.
#pragma once

#include "runtime/engine/compile.h"

namespace quantbench::engine {

struct Placement {
  std::vector<int64_t> offsets;  // of each value; -1: not in memory
  int64_t bytes = 0;             // of the arena
};

// First fit: a value lies where nothing lies that is wanted while it is. Matrices have `nodes` or
// `graphs` rows; `output` is wanted to the end.
Placement place(const Compiled& program, int output, int64_t nodes, int64_t graphs);

}  // namespace quantbench::engine
