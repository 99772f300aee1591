#include "bench/step.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "bench/data_parallel.h"

namespace quantbench {
namespace {

Batch narrowed(const Batch& batch, int64_t first, int64_t count) {
  const auto part = [&](const Tensor& t) { return t.defined() ? t.narrow(0, first, count) : t; };
  return {part(batch.input), part(batch.target), {}, part(batch.sample_ids), nullptr};
}

void seed_part(uint64_t library_seed, int64_t part) {
  torch::manual_seed(RandomStream(library_seed, "part").child(static_cast<uint64_t>(part)).seed());
}

}  // namespace

std::vector<std::pair<int64_t, int64_t>> Division::parts_of(int64_t samples) const {
  const int64_t size = (samples + parts - 1) / parts;
  std::vector<std::pair<int64_t, int64_t>> out;
  for (int64_t first = 0; first < samples; first += size)
    out.emplace_back(first, std::min(size, samples - first));
  return out;
}

std::pair<int64_t, int64_t> Division::own_parts(int64_t samples) const {
  const auto all = static_cast<int64_t>(parts_of(samples).size());
  const int64_t each = parallel ? parts / parallel->size() : parts;
  const int64_t first = std::min(all, parallel ? parallel->rank() * each : 0);
  return {first, std::min(each, all - first)};
}

std::pair<int64_t, int64_t> Division::own_samples(int64_t samples) const {
  const auto all = parts_of(samples);
  const auto [part, count] = own_parts(samples);
  if (count == 0) return {0, 0};
  const int64_t first = all[static_cast<size_t>(part)].first;
  const auto& last = all[static_cast<size_t>(part + count - 1)];
  return {first, last.first + last.second - first};
}

double epochs_into_phase(const Progress& progress) {
  return static_cast<double>(progress.epoch) +
         static_cast<double>(progress.step) / static_cast<double>(progress.steps);
}

StepOutcome training_step(Network& network, Method& method, PhaseOptimizer& optimizer,
                          const Batch& batch, const Progress& progress, uint64_t library_seed,
                          const Division& division, int64_t samples) {
  require(division.parts == 1 || (!batch.topology && !batch.scored_rows.defined()),
          "batch.parts: a batch of graphs is not computed in parts.");
  const auto all = division.parts_of(samples);
  const auto [first, count] = division.own_parts(samples);
  const auto last = static_cast<int64_t>(all.size()) - 1;
  torch::manual_seed(library_seed);
  optimizer.clear_gradients();
  method.before_step(network, progress);
  StepOutcome out{progress.step, {}, {}, {}, samples};
  const auto add = [](Tensor& sum, const Tensor& more) {
    sum = sum.defined() ? sum + more.detach() : more.detach();
  };
  for (int64_t k = first; k < first + count; ++k) {
    const auto& [start, size] = all[static_cast<size_t>(k)];
    const Batch part =
        last == 0 ? batch : narrowed(batch, start - all[static_cast<size_t>(first)].first, size);
    if (k > 0) seed_part(library_seed, k);
    const Tensor logits = part.scored(network.forward(part));
    Tensor task_loss = torch::cross_entropy_loss(logits, part.target);
    if (last > 0)
      task_loss = task_loss * (static_cast<double>(size) / static_cast<double>(samples));
    Tensor loss = task_loss;
    if (k == last)
      if (const Tensor extra = method.loss_term(network, progress); extra.defined())
        loss = loss + extra;
    // A phase may only look: nothing learns, and nothing needs a gradient.
    if (loss.requires_grad()) loss.backward();
    add(out.task_loss, task_loss);
    add(out.loss, loss);
    add(out.correct, logits.detach().argmax(1).eq(part.target).sum());
  }
  if (division.parallel) {
    for (Tensor* number : {&out.task_loss, &out.loss, &out.correct})
      if (!number->defined()) *number = torch::zeros({});
    division.parallel->add_up(optimizer.tensors(), {&out.task_loss, &out.loss, &out.correct});
    division.parallel->keep_statistics(network);
  }
  if (division.parts > 1) seed_part(library_seed, division.parts);  // whoever computed what
  method.after_backward(network, progress);
  optimizer.step(epochs_into_phase(progress));
  method.after_step(network, progress);
  return out;
}

StepOutcome training_step(Network& network, Method& method, PhaseOptimizer& optimizer,
                          const Batch& batch, const Progress& progress, uint64_t library_seed) {
  return training_step(network, method, optimizer, batch, progress, library_seed, {},
                       batch.target.size(0));
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
