// What learns in a phase: torch::optim behind its parameter groups (one optimizer for the SGD
// groups and one for the Adam groups) with the schedule's factor on every group's rate and a state
// that can be saved by name; and the gradients, which nothing else has.
#pragma once

#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include "bench/saved_state.h"

namespace quantbench {

class PhaseOptimizer {
 public:
  // Those of `network` that stand neither in a group nor in phase.watched get no gradient while
  // this lives. Throws Error when two groups share a name.
  explicit PhaseOptimizer(const Phase& phase, const std::vector<Tensor>& network = {});
  // Gradients are gone and may be asked for again.
  ~PhaseOptimizer();
  PhaseOptimizer(const PhaseOptimizer&) = delete;
  PhaseOptimizer& operator=(const PhaseOptimizer&) = delete;

  // Of the groups, the watched tensors and the network.
  void clear_gradients();
  // The tensors whose gradients those are; some may need none.
  const std::vector<Tensor>& tensors() const { return cleared_; }
  // Clips the global gradient norm if the phase asks for it, then steps with the rates that the
  // schedules give `epoch` epochs after the start of the phase.
  void step(double epoch);
  // Of the first group; 0: there is none.
  double learning_rate(double epoch) const;

  // Momentum buffers and moments, "<group>.<index>.<buffer>".
  NamedTensors state() const;
  // Throws Error when `state` does not fit the parameters.
  void load(const NamedTensors& state);

 private:
  double rate(const ParameterGroup& group, double epoch) const;
  void clip_gradients();

  Phase phase_;
  std::vector<Tensor> cleared_, silenced_;
  std::unique_ptr<torch::optim::SGD> sgd_;
  std::unique_ptr<torch::optim::Adam> adam_;
};

}  // namespace quantbench
