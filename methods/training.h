// What a method asks of the trainer: phases, parameter groups, optimizers, schedules. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/torch.h"

namespace quantbench {

struct OptimizerConfig {
  enum class Kind { Sgd, Adam };
  Kind kind = Kind::Sgd;
  double lr = 0.1;
  double weight_decay = 0;
  double momentum = 0.9;                          // Sgd
  bool nesterov = false;                          // Sgd
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  // Adam
  bool amsgrad = false;                           // Adam
};

// Learning-rate factor as a function of the epoch (fractional: it moves every step).
struct Schedule {
  enum class Kind { Constant, Step, Cosine, CosineRestarts };
  Kind kind = Kind::Constant;
  std::vector<double> milestones;  // Step: epochs at which the rate is multiplied by gamma
  double gamma = 0.1;
  double warmup_epochs = 0;  // linear from 0
  double total_epochs = 0;   // Cosine: where the factor reaches 0
  double first_epoch = 0;    // the phase starts here on the curve
  // CosineRestarts: from 1 to `floor` in each cycle (the last `cycle_hold` epochs there), then up
  // again, to cycle_decay times the height of the cycle before.
  double cycle_epochs = 1, cycle_decay = 1, cycle_hold = 0, floor = 0;
  // The factor at `epoch` epochs after the start of the phase; Step milestones count whole epochs.
  double factor(double epoch) const;
};

struct ParameterGroup {
  std::string name;  // shown in logs, part of checkpoints
  std::vector<Tensor> parameters;
  OptimizerConfig optimizer;
  std::optional<Schedule> schedule{};  // its own; none: the phase's
};

struct Phase {
  std::string name = "train";  // no two of a method's phases share one
  int64_t epochs = 0;
  std::vector<ParameterGroup> groups;
  // Parameters whose gradient a hook reads though no optimizer steps them. What stands neither here
  // nor in a group gets no gradient, and its part of the backward pass is spared.
  std::vector<Tensor> watched;
  Schedule schedule;
  double clip_grad_norm = 0;    // 0: off
  bool train_mode = true;       // false: BatchNorm and Dropout as in evaluation
  bool keep_optimizer = false;  // goes on with the optimizers of the phase before (same groups)
  // Whether the best epoch may be one of this phase. Not set: only when it is the last phase.
  std::optional<bool> selectable;
};

// What the recipe grants; methods split it among their phases.
struct TrainingBudget {
  int64_t epochs = 0;
  OptimizerConfig optimizer;
  Schedule schedule;
  double clip_grad_norm = 0;
};

}  // namespace quantbench
