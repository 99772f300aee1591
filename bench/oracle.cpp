#include "bench/oracle.h"

#include <algorithm>

#include "base/interrupt.h"

namespace quantbench {

OracleVerdict consult_oracle(const Executor& engine, const Executor& reference,
                             const Dataset& dataset, Split split, int64_t count, uint64_t seed) {
  constexpr size_t kAtOnce = 64;
  std::vector<int64_t> positions = permutation(dataset.size(split), RandomStream(seed, "oracle"));
  if (count > 0 && static_cast<size_t>(count) < positions.size())
    positions.resize(static_cast<size_t>(count));
  OracleVerdict out;
  for (size_t begin = 0; begin < positions.size(); begin += kAtOnce) {
    stop_if_interrupted("holding the engine to the reference executor");
    const size_t end = std::min(begin + kAtOnce, positions.size());
    BatchRequest request;
    request.positions.assign(positions.begin() + static_cast<int64_t>(begin),
                             positions.begin() + static_cast<int64_t>(end));
    const Batch batch = dataset.batch(split, request);
    const Tensor a = engine.forward(batch), b = reference.forward(batch);
    out.samples += a.size(0);
    // NaN equals NaN here: where one is seen, both have to see it.
    const Tensor same = (a == b).logical_or(a.isnan().logical_and(b.isnan())).all(1);
    out.different += a.size(0) - same.sum().item<int64_t>();
  }
  return out;
}

}  // namespace quantbench
