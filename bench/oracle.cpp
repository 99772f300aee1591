#include "bench/oracle.h"

#include <algorithm>

#include "base/interrupt.h"

namespace quantbench {

OracleSamples::OracleSamples(const Dataset& dataset, Split split, int64_t count, uint64_t seed)
    : dataset_(dataset),
      split_(split),
      positions_(permutation(dataset.size(split), RandomStream(seed, "oracle"))) {
  if (count > 0 && static_cast<size_t>(count) < positions_.size())
    positions_.resize(static_cast<size_t>(count));
}

std::optional<Batch> OracleSamples::next() {
  constexpr size_t kAtOnce = 64;
  if (at_ == positions_.size()) return std::nullopt;
  const size_t end = std::min(at_ + kAtOnce, positions_.size());
  BatchRequest request;
  request.positions.assign(positions_.begin() + static_cast<int64_t>(at_),
                           positions_.begin() + static_cast<int64_t>(end));
  at_ = end;
  return dataset_.batch(split_, request);
}

std::vector<OracleVerdict> consult_oracle(const std::vector<const Executor*>& engines,
                                          const Executor& reference, OracleSamples samples) {
  std::vector<OracleVerdict> out(engines.size());
  while (const auto batch = samples.next()) {
    stop_if_interrupted("holding the engine to the reference executor");
    const Tensor b = reference.forward(*batch);
    for (size_t i = 0; i < engines.size(); ++i) {
      const Tensor a = engines[i]->forward(*batch);
      out[i].samples += a.size(0);
      // NaN equals NaN here: where one is seen, both have to see it.
      const Tensor same = (a == b).logical_or(a.isnan().logical_and(b.isnan())).all(1);
      out[i].different += a.size(0) - same.sum().item<int64_t>();
    }
  }
  return out;
}

OracleVerdict consult_oracle(const Executor& engine, const Executor& reference,
                             const Dataset& dataset, Split split, int64_t count, uint64_t seed) {
  return consult_oracle({&engine}, reference, OracleSamples(dataset, split, count, seed)).at(0);
}

}  // namespace quantbench
