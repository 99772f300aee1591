#include "bench/step.h"

#include <algorithm>
#include <cmath>

namespace quantbench {

double epochs_into_phase(const Progress& progress) {
  return static_cast<double>(progress.epoch) +
         static_cast<double>(progress.step) / static_cast<double>(progress.steps);
}

StepOutcome training_step(Network& network, Method& method, PhaseOptimizer& optimizer,
                          const Batch& batch, const Progress& progress, uint64_t library_seed) {
  torch::manual_seed(library_seed);
  optimizer.clear_gradients();
  method.before_step(network, progress);
  const Tensor logits = batch.scored(network.forward(batch));
  const Tensor task_loss = torch::cross_entropy_loss(logits, batch.target);
  Tensor loss = task_loss;
  if (const Tensor extra = method.loss_term(network, progress); extra.defined())
    loss = loss + extra;
  // A phase may only look: nothing learns, and nothing needs a gradient.
  if (loss.requires_grad()) loss.backward();
  method.after_backward(network, progress);
  optimizer.step(epochs_into_phase(progress));
  method.after_step(network, progress);
  return {progress.step, task_loss.detach(), loss.detach(),
          logits.detach().argmax(1).eq(batch.target).sum(), batch.target.size(0)};
}

EpochTally::EpochTally(const nlohmann::json& counters)
    : seconds(counters.value("seconds", 0.0)),
      loss_(counters.value("loss", 0.0)),
      correct_(counters.value("correct", int64_t{0})),
      samples_(counters.value("samples", int64_t{0})),
      steps_(counters.value("steps", int64_t{0})) {}

nlohmann::json EpochTally::counters() const {
  return {{"seconds", seconds},
          {"loss", loss_},
          {"correct", correct_},
          {"samples", samples_},
          {"steps", steps_}};
}

std::optional<EpochTally::NotFinite> EpochTally::settle() {
  if (pending_.empty()) return std::nullopt;
  const auto fetched = [&](Tensor StepOutcome::*of) {
    std::vector<Tensor> all;
    for (const StepOutcome& outcome : pending_) all.push_back(outcome.*of);
    return torch::stack(all).to(torch::kCPU, torch::kDouble);
  };
  const Tensor task = fetched(&StepOutcome::task_loss), whole = fetched(&StepOutcome::loss),
               correct = fetched(&StepOutcome::correct);
  std::vector<StepOutcome> settled;
  settled.swap(pending_);
  for (size_t i = 0; i < settled.size(); ++i) {
    const double task_loss = task.data_ptr<double>()[i], loss = whole.data_ptr<double>()[i];
    if (!std::isfinite(task_loss) || !std::isfinite(loss)) return NotFinite{settled[i].step, loss};
    loss_ += task_loss;
    correct_ += static_cast<int64_t>(correct.data_ptr<double>()[i]);
    samples_ += settled[i].samples;
    ++steps_;
  }
  return std::nullopt;
}

double EpochTally::mean_loss() const {
  return loss_ / static_cast<double>(std::max<int64_t>(steps_, 1));
}

double EpochTally::top1() const {
  return static_cast<double>(correct_) / static_cast<double>(std::max<int64_t>(samples_, 1));
}

void update_average(NamedTensors& average, const torch::nn::Module& module, double decay) {
  const torch::NoGradGuard no_grad;
  NamedTensors next;
  const auto move = [&](const auto& items, const auto& towards) {
    for (const auto& item : items) {
      if (!item.value().defined()) continue;
      const Tensor now = item.value().detach();
      const auto found = average.find(item.key());
      const bool fits = found != average.end() && found->second.sizes() == now.sizes();
      Tensor kept = fits ? found->second : now.clone();
      if (fits) towards(kept, now);
      next.emplace(item.key(), std::move(kept));
    }
  };
  move(module.named_parameters(),
       [&](Tensor& kept, const Tensor& now) { kept.lerp_(now, 1 - decay); });
  move(module.named_buffers(), [](Tensor& kept, const Tensor& now) { kept.copy_(now); });
  average = std::move(next);
}

}  // namespace quantbench
