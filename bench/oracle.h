// The reference executor as oracle: whether an engine gives its answers, bit for bit.
#pragma once

#include "datasets/dataset.h"
#include "runtime/executor.h"

namespace quantbench {

struct OracleVerdict {
  int64_t samples = 0;    // of the split, compared
  int64_t different = 0;  // of them: rows of logits that differ in a bit
};

// `count` samples of `split`, drawn from `seed` (0: all of them).
OracleVerdict consult_oracle(const Executor& engine, const Executor& reference,
                             const Dataset& dataset, Split split, int64_t count, uint64_t seed);

}  // namespace quantbench
