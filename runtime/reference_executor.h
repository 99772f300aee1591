// A simple, exact executor of a package: every product of two uniform-integer operands is computed
// on integers (int32 accumulators where they provably suffice, int64 otherwise), everything else in
// float as the training graph does it. It is the oracle that faster engines are tested against.
#pragma once

#include <memory>

#include "base/batch.h"
#include "runtime/package.h"

namespace quantbench {

class ReferenceExecutor {
 public:
  // Decodes what can be decoded once. Throws Error when the package does not fit its graph.
  explicit ReferenceExecutor(Package package);
  ~ReferenceExecutor();

  // Logits [rows, classes], float32. Deterministic, whatever the number of threads.
  Tensor forward(const Batch& batch) const;

  // How many of the network's multiply-accumulates (per sample) run on integers: 0..1.
  double integer_share() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantbench
