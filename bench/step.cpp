#include "bench/step.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace quantbench {
namespace {

// The batch as up to `count` batches of equal size, the last one smaller if need be.
std::vector<Batch> parted(const Batch& batch, int64_t count) {
  if (count == 1) return {batch};
  require(!batch.topology && !batch.scored_rows.defined(),
          "batch.parts: a batch of graphs is not computed in parts.");
  const int64_t samples = batch.target.size(0), size = (samples + count - 1) / count;
  std::vector<Batch> out;
  for (int64_t first = 0; first < samples; first += size) {
    const auto part = [&](const Tensor& t) {
      return t.defined() ? t.narrow(0, first, std::min(size, samples - first)) : t;
    };
    out.push_back({part(batch.input), part(batch.target), {}, part(batch.sample_ids), nullptr});
  }
  return out;
}

}  // namespace

double epochs_into_phase(const Progress& progress) {
  return static_cast<double>(progress.epoch) +
         static_cast<double>(progress.step) / static_cast<double>(progress.steps);
}

StepOutcome training_step(Network& network, Method& method, PhaseOptimizer& optimizer,
                          const Batch& batch, const Progress& progress, uint64_t library_seed,
                          int64_t parts) {
  torch::manual_seed(library_seed);
  optimizer.clear_gradients();
  method.before_step(network, progress);
  StepOutcome out{progress.step, {}, {}, {}, batch.target.size(0)};
  const auto add = [](Tensor& sum, const Tensor& more) {
    sum = sum.defined() ? sum + more.detach() : more.detach();
  };
  const std::vector<Batch> all = parted(batch, parts);
  for (size_t k = 0; k < all.size(); ++k) {
    const Batch& part = all[k];
    const Tensor logits = part.scored(network.forward(part));
    Tensor task_loss = torch::cross_entropy_loss(logits, part.target);
    if (all.size() > 1)
      task_loss = task_loss * (static_cast<double>(part.target.size(0)) /
                               static_cast<double>(batch.target.size(0)));
    Tensor loss = task_loss;
    if (k + 1 == all.size())
      if (const Tensor extra = method.loss_term(network, progress); extra.defined())
        loss = loss + extra;
    // A phase may only look: nothing learns, and nothing needs a gradient.
    if (loss.requires_grad()) loss.backward();
    add(out.task_loss, task_loss);
    add(out.loss, loss);
    add(out.correct, logits.detach().argmax(1).eq(part.target).sum());
  }
  method.after_backward(network, progress);
  optimizer.step(epochs_into_phase(progress));
  method.after_step(network, progress);
  return out;
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
