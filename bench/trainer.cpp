#include "bench/trainer.h"

#include <cmath>

#include "base/error.h"
#include "bench/accuracy.h"
#include "bench/interrupt.h"
#include "bench/optimizer.h"
#include "datasets/loader.h"

namespace quantbench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Trainer::Trainer(Network& network, Method& method, const Dataset& dataset, TrainerConfig config,
                 TrainerSinks sinks)
    : network_(network),
      method_(method),
      dataset_(dataset),
      config_(std::move(config)),
      sinks_(std::move(sinks)),
      saved_at_(Clock::now()) {
  require(config_.select == Select::Last || dataset_.size(Split::Validation) > 0,
          "The best epoch is chosen on the validation split, but this dataset has none: set its "
          "option 'validation' or {}.select = last.",
          config_.stage);
  LoaderConfig loader;
  loader.batch_size = config_.batch;
  loader.shuffle = true;
  loader.augment = config_.augment;
  loader.threads = config_.loader_threads;
  loader.seed = RandomStream(config_.seed, config_.stage).seed();
  loader_ = std::make_unique<Loader>(dataset_, loader);
  steps_per_epoch_ = loader_->batches_per_epoch();
}

Trainer::~Trainer() = default;

int64_t Trainer::epochs_before(int phase) const {
  int64_t sum = 0;
  for (int i = 0; i < phase; ++i) sum += config_.phases[static_cast<size_t>(i)].epochs;
  return sum;
}

void Trainer::run(const std::optional<Checkpoint>& checkpoint) {
  int first = 0;
  if (checkpoint && checkpoint->position.stage == config_.stage) {
    first = checkpoint->position.phase;
    average_ = checkpoint->average;
    best_ = checkpoint->best;
    kept_ = checkpoint->kept;
    best_score_ = checkpoint->counters.value("best_score", 0.0);
  }
  for (int phase = first; phase < static_cast<int>(config_.phases.size()); ++phase)
    run_phase(phase, phase == first ? checkpoint : std::nullopt);
  if (!average_.empty()) restore(network_, average_);
  if (!best_.empty()) restore(network_, best_);
}

void Trainer::run_phase(int index, const std::optional<Checkpoint>& checkpoint) {
  const Phase& phase = config_.phases[static_cast<size_t>(index)];
  if (config_.context) {
    MethodContext context = config_.context();
    method_.begin_phase(context, index);
  }
  if (!optimizer_ || !phase.keep_optimizer) optimizer_ = std::make_unique<PhaseOptimizer>(phase);
  int64_t epoch = 0, step = 0;
  tally_ = {};
  if (checkpoint && checkpoint->position.stage == config_.stage) {
    epoch = checkpoint->position.epoch;
    step = checkpoint->position.step;
    optimizer_->load(checkpoint->optimizer);
    const auto& counters = checkpoint->counters;
    tally_ = {counters.value("loss", 0.0), counters.value("seconds", 0.0),
              counters.value("correct", int64_t{0}), counters.value("samples", int64_t{0}),
              counters.value("steps", int64_t{0})};
  }
  for (; epoch < phase.epochs; ++epoch, step = 0) {
    run_epoch(index, epoch, step);
    if (finish_epoch(index, epoch)) break;
  }
  save({config_.stage, index + 1, 0, 0});
}

void Trainer::run_epoch(int index, int64_t epoch, int64_t first_step) {
  const Phase& phase = config_.phases[static_cast<size_t>(index)];
  network_.train(phase.train_mode);
  network_.compute().bf16 = config_.bf16;
  const int64_t steps = steps_per_epoch_;
  const int64_t global_epoch = epochs_before(index) + epoch;
  loader_->start(global_epoch, first_step);
  sinks_.display.begin(fmt::format("{} epoch {}/{}", phase.name, epoch + 1, phase.epochs), steps,
                       first_step);
  for (int64_t step = first_step; step < steps; ++step) {
    if (interrupt_requested()) {
      save({config_.stage, index, epoch, step});
      throw Interrupted("Stopped on request; a checkpoint is saved.");
    }
    if (seconds_since(saved_at_) >= config_.checkpoint_seconds)
      save({config_.stage, index, epoch, step});
    const auto start = Clock::now();
    std::optional<Batch> batch = loader_->next();
    require(batch.has_value(), "The loader ended an epoch early.");
    this->step(config_.device.is_cpu() ? *batch : batch->to(config_.device),
               {index, epoch, phase.epochs, step, steps}, global_epoch * steps + step);
    tally_.seconds += seconds_since(start);
    sinks_.display.update(
        step + 1, fmt::format("loss {:.4f}", tally_.loss / static_cast<double>(tally_.steps)));
  }
  sinks_.display.end();
}

void Trainer::step(const Batch& batch, const Progress& progress, int64_t global_step) {
  const Phase& phase = config_.phases[static_cast<size_t>(progress.phase)];
  // The library's generator (dropout) is a function of the position, like every other stream.
  torch::manual_seed(RandomStream(config_.seed, "dropout " + config_.stage)
                         .child(static_cast<uint64_t>(global_step))
                         .seed());
  optimizer_->zero_grad();
  method_.before_step(network_, progress);
  const Tensor logits = batch.scored(network_.forward(batch));
  Tensor loss = torch::cross_entropy_loss(logits, batch.target);
  const double task_loss = loss.item<double>();
  if (Tensor extra = method_.loss_term(network_, progress); extra.defined()) loss = loss + extra;
  require(std::isfinite(task_loss) && std::isfinite(loss.item<double>()),
          "The loss became {} in {} epoch {}, step {}: lower {}.lr or clip gradients "
          "({}.clip_grad_norm).",
          loss.item<double>(), phase.name, progress.epoch + 1, progress.step + 1, config_.stage,
          config_.stage);
  loss.backward();
  method_.after_backward(network_, progress);
  const double at = static_cast<double>(progress.epoch) +
                    static_cast<double>(progress.step) / static_cast<double>(progress.steps);
  optimizer_->step(phase.schedule.factor(at));
  method_.after_step(network_, progress);
  if (config_.ema > 0) update_average();
  const int64_t count = batch.target.size(0);
  tally_.loss += task_loss;
  tally_.correct += logits.detach().argmax(1).eq(batch.target).sum().item<int64_t>();
  tally_.samples += count;
  ++tally_.steps;
}

void Trainer::update_average() {
  if (average_.empty()) {
    average_ = snapshot(network_);
    return;
  }
  const torch::NoGradGuard no_grad;
  for (const auto& item : network_.named_parameters())
    average_.at(item.key()).lerp_(item.value().detach().to(torch::kCPU), 1 - config_.ema);
  for (const auto& item : network_.named_buffers())
    if (item.value().defined()) average_.at(item.key()).copy_(item.value());
}

bool Trainer::finish_epoch(int index, int64_t epoch) {
  const Phase& phase = config_.phases[static_cast<size_t>(index)];
  EpochRow row;
  row.stage = config_.phases.size() > 1 || phase.name != "train" ? config_.stage + ":" + phase.name
                                                                 : config_.stage;
  row.epoch = epoch;
  row.train_loss = tally_.loss / static_cast<double>(std::max<int64_t>(tally_.steps, 1));
  row.train_top1 = static_cast<double>(tally_.correct) /
                   static_cast<double>(std::max<int64_t>(tally_.samples, 1));
  row.learning_rate = optimizer_->learning_rate(phase.schedule.factor(static_cast<double>(epoch)));
  row.seconds = tally_.seconds;

  std::map<std::string, Tensor> running;
  if (!average_.empty()) {
    running = snapshot(network_);
    restore(network_, average_);
  }
  network_.compute().bf16 = false;
  if (dataset_.size(Split::Validation) > 0) {
    network_.eval();
    EvaluationConfig evaluation;
    evaluation.split = Split::Validation;
    evaluation.batch = config_.evaluation_batch;
    evaluation.device = config_.device;
    const Accuracy accuracy = measure_accuracy(
        dataset_, evaluation, [&](const Batch& batch) { return network_.forward(batch); });
    row.validation_loss = accuracy.loss;
    row.validation_top1 = accuracy.top1();
  }
  const EpochVerdict verdict =
      method_.after_epoch(network_, {{index, epoch, phase.epochs, 0, steps_per_epoch_},
                                     row.train_loss,
                                     row.validation_loss,
                                     row.validation_top1});
  for (const std::string& name : verdict.drop) kept_.erase(name);
  if (!verdict.keep.empty()) kept_[verdict.keep] = snapshot(network_);
  const double score =
      config_.select == Select::BestLoss ? -row.validation_loss : row.validation_top1;
  if (config_.select != Select::Last && (best_.empty() || score > best_score_)) {
    best_score_ = score;
    best_ = snapshot(network_);
  }
  if (!running.empty()) restore(network_, running);

  sinks_.epoch(row);
  const bool last = epoch + 1 == phase.epochs;
  if (last || seconds_since(shown_at_) > 1) {
    shown_at_ = Clock::now();
    sinks_.display.line(fmt::format(
        "{} epoch {}/{}: loss {:.4f}, top-1 {:.2f} %, validation {:.2f} %, rate {:.3g}, {}",
        row.stage, epoch + 1, phase.epochs, row.train_loss, 100 * row.train_top1,
        100 * row.validation_top1, row.learning_rate, duration_text(row.seconds)));
  }
  tally_ = {};
  return verdict.end_phase;
}

void Trainer::save(const Position& position) {
  Checkpoint checkpoint;
  checkpoint.position = position;
  checkpoint.counters = {{"loss", tally_.loss},       {"seconds", tally_.seconds},
                         {"correct", tally_.correct}, {"samples", tally_.samples},
                         {"steps", tally_.steps},     {"best_score", best_score_}};
  checkpoint.method = method_.save();
  checkpoint.network = snapshot(network_);
  checkpoint.optimizer = optimizer_->state();
  checkpoint.average = average_;
  checkpoint.best = best_;
  checkpoint.kept = kept_;
  sinks_.save(checkpoint);
  saved_at_ = Clock::now();
}

}  // namespace quantbench
