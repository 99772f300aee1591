// The affine part of a step while it is put together, in float64: what folds BatchNorm, biases and
// scales into one pair a channel.
#pragma once

#include "runtime/plan.h"

namespace quantbench {

// u = a * acc + b + sum of addends, in real values; what step() turns into a Finish.
struct Chain {
  struct Operand {
    int value = 0;
    Tensor a;  // float64 [1] or [channels]
  };

  Work work;
  std::vector<int> nodes, inputs;
  Accumulator accumulator = Accumulator::Float;
  int64_t least_acc = 0, most_acc = 0;  // 0, 0: unknown
  Tensor a = torch::ones({1}, torch::kDouble), b = torch::zeros({1}, torch::kDouble);
  std::vector<Operand> addends;
  bool plain_bias = false;  // b holds numbers that lie on no grid
  bool relu = false;
  double relu_most = 0;  // 0: none

  void multiply(const Tensor& factor);  // float64 [1] or [channels]
  void add(const Tensor& shift);
};

// The finish of `chain` when real values are followed by u = y * factor + shift. `channels` is the
// first size of the output's shape, `values` those of the plan.
Finish finish_of(const Chain& chain, double factor, double shift, int64_t channels,
                 const std::vector<PlanValue>& values);

}  // namespace quantbench
