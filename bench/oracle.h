// The reference executor as oracle: whether an engine gives its answers, bit for bit.
#pragma once

#include <optional>
#include <vector>

#include "datasets/dataset.h"
#include "runtime/executor.h"

namespace quantbench {

struct OracleVerdict {
  int64_t samples = 0;    // of the split, compared
  int64_t different = 0;  // of them: rows of logits that differ in a bit
};

// `count` samples of `split`, drawn from `seed` (0: all of them), 64 at a time.
class OracleSamples {
 public:
  OracleSamples(const Dataset& dataset, Split split, int64_t count, uint64_t seed);

  // The next ones; nothing when there are no more.
  std::optional<Batch> next();

 private:
  const Dataset& dataset_;
  const Split split_;
  std::vector<int64_t> positions_;
  size_t at_ = 0;
};

// On such samples; of several engines one verdict each, for one pass of the reference.
std::vector<OracleVerdict> consult_oracle(const std::vector<const Executor*>& engines,
                                          const Executor& reference, OracleSamples samples);
OracleVerdict consult_oracle(const Executor& engine, const Executor& reference,
                             const Dataset& dataset, Split split, int64_t count, uint64_t seed);

}  // namespace quantbench
