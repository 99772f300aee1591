// From a plan to the steps of a program.
#pragma once

#include "runtime/engine/steps.h"

namespace quantbench::engine {

struct Compiled {
  std::vector<std::unique_ptr<ProgramStep>> steps;
  std::vector<Layout> layouts;   // of each value; the plan's come first
  std::vector<int64_t> offsets;  // of each value in the arena; -1: not in it
  int64_t arena = 0;             // bytes
};

// Throws Error, naming the step, on what no kernel computes.
Compiled compile(const Plan& plan, const KernelTable& kernels);

}  // namespace quantbench::engine
