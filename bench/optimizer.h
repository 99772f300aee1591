// torch::optim behind a Phase: one optimizer for the SGD groups and one for the Adam groups, with
// the schedule's factor on every group's rate and a state that can be saved by name.
#pragma once

#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "methods/training.h"

namespace quantbench {

class PhaseOptimizer {
 public:
  explicit PhaseOptimizer(const Phase& phase);

  void zero_grad();
  // Clips the global gradient norm if the phase asks for it, then steps with every rate multiplied
  // by `factor`.
  void step(double factor);
  double learning_rate(double factor) const {
    return phase_.groups.empty() ? 0 : phase_.groups[0].optimizer.lr * factor;
  }

  // Momentum buffers and moments, "<group>.<index>.<buffer>".
  std::map<std::string, Tensor> state() const;
  // Throws Error when `state` does not fit the parameters.
  void load(const std::map<std::string, Tensor>& state);

 private:
  Phase phase_;
  std::unique_ptr<torch::optim::SGD> sgd_;
  std::unique_ptr<torch::optim::Adam> adam_;
};

}  // namespace quantbench
