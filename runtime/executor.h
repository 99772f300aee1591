// Whoever computes a package's answers.
#pragma once

#include <string>

#include "base/batch.h"

namespace quantbench {

class Executor {
 public:
  virtual ~Executor() = default;

  // Logits [rows, classes], float32: the same bits from every executor, with any number of threads.
  // An image that holds NaN gets logits of NaN; a batch of graphs that holds one, all of them.
  // Throws Error on inputs of another shape, or without the graph that a graph network needs.
  virtual Tensor forward(const Batch& batch) const = 0;

  // "reference", ...: what a stored result says it was measured with.
  virtual std::string name() const = 0;

  // How many of the network's multiply-accumulates (per sample) run on integers: 0..1.
  virtual double integer_share() const = 0;
};

}  // namespace quantbench
