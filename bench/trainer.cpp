#include "bench/trainer.h"

#include <set>

#include "base/error.h"
#include "base/sha256.h"
#include "bench/accuracy.h"
#include "bench/data_parallel.h"
#include "bench/interrupt.h"
#include "datasets/loader.h"

namespace quantbench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

nlohmann::json outline(const std::vector<Phase>& phases) {
  nlohmann::json out = nlohmann::json::array();
  for (const Phase& phase : phases) out.push_back({phase.name, phase.epochs});
  return out;
}

// Kept states become files of their name.
bool is_file_name(const std::string& name) {
  return !name.empty() && name[0] != '.' &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string::npos;
}

}  // namespace

Trainer::Trainer(Network& network, Method& method, const Dataset& dataset, TrainerConfig config,
                 TrainerSinks sinks)
    : network_(network),
      method_(method),
      dataset_(dataset),
      config_(std::move(config)),
      sinks_(std::move(sinks)) {
  LoaderConfig loader;
  loader.batch_size = config_.batch;
  loader.shuffle = true;
  loader.augment = config_.augment;
  loader.threads = config_.loader_threads;
  loader.seed = RandomStream(config_.seed, config_.stage).seed();
  if (config_.division.parallel)
    loader.share = [division = config_.division](int64_t, int64_t samples) {
      return division.own_samples(samples);
    };
  loader_ = std::make_unique<Loader>(dataset_, loader);
  steps_per_epoch_ = loader_->batches_per_epoch();
}

Trainer::~Trainer() = default;

uint64_t Trainer::library_seed(const std::string& moment, int64_t index) const {
  return RandomStream(config_.seed, moment + " " + config_.stage)
      .child(static_cast<uint64_t>(index))
      .seed();
}

void Trainer::run(const std::optional<Checkpoint>& checkpoint) {
  saved_at_ = counted_from_ = Clock::now();
  Position at{config_.stage, 0, 0, 0, false};
  const bool inside = checkpoint && checkpoint->position.stage == config_.stage;
  if (inside) {
    at = checkpoint->position;
    take_up(*checkpoint);
  }
  plan_phases();
  require(phases_.empty() || config_.select == Select::Last || dataset_.size(Split::Validation) > 0,
          "The best epoch is chosen on the validation split, but this dataset has none: set its "
          "option 'validation' or {}.select = last.",
          config_.stage);
  if (inside)
    require(checkpoint->counters.value("phases", nlohmann::json()) == outline(phases_),
            "The method's phases are others than those that the checkpoint was written in.");
  else
    save(at);
  while (at.phase < static_cast<int>(phases_.size())) at = run_phase(std::move(at));
  if (!average_.empty()) restore(network_, average_);
  if (best_) restore(network_, method_, *best_);
}

void Trainer::take_up(const Checkpoint& checkpoint) {
  const nlohmann::json& counters = checkpoint.counters;
  carried_ = checkpoint.optimizer;
  for (const auto& [name, tensor] : checkpoint.average) average_[name] = tensor.to(config_.device);
  best_ = checkpoint.best;
  kept_ = checkpoint.kept;
  tally_ = EpochTally(counters.value("epoch", nlohmann::json::object()));
  epochs_done_ = counters.value("epochs_done", int64_t{0});
  best_score_ = counters.value("best_score", 0.0);
  if (counters.contains("validation_top1")) validation_top1_ = counters["validation_top1"];
  time_ = {counters.value("total_seconds", 0.0), counters.value("step_seconds", 0.0)};
}

void Trainer::plan_phases() {
  std::vector<Phase> phases = method_.phases(network_, config_.budget);
  std::set<std::string> names;
  for (const Phase& phase : phases)
    require(names.insert(phase.name).second, "The method has two phases called '{}'.", phase.name);
  if (!phases_.empty())
    require(outline(phases) == outline(phases_),
            "The method changed the names or epochs of its phases from {} to {} on its way.",
            outline(phases_).dump(), outline(phases).dump());
  phases_ = std::move(phases);
}

void Trainer::let_method_begin(int phase) {
  torch::manual_seed(library_seed("begin", phase));
  MethodContext context = config_.context();
  method_.begin_phase(context, phase);
}

void Trainer::begin_phase(int phase) {
  network_.eval();
  if (DataParallel* parallel = config_.division.parallel) {
    parallel->first([&] { let_method_begin(phase); });
    SavedState state;
    if (parallel->leads()) state = snapshot(network_, method_);
    parallel->send(state);
    restore(network_, method_, state);  // rank 0, too: so taps stand in one order everywhere
  } else {
    let_method_begin(phase);
  }
  plan_phases();
  // What has another shape now starts its average there.
  if (!average_.empty()) update_average(average_, network_, 1);
}

Position Trainer::run_phase(Position at) {
  const bool begins = !at.begun;
  if (begins) begin_phase(at.phase);
  at.begun = true;
  const Phase& phase = phases_[static_cast<size_t>(at.phase)];
  optimizer_ = std::make_unique<PhaseOptimizer>(phase, network_.parameters());
  if (!begins || phase.keep_optimizer) optimizer_->load(carried_);
  if (begins) save(at);
  EpochVerdict verdict;
  while (at.epoch < phase.epochs && !verdict.end_phase) {
    run_epoch(at);
    verdict = finish_epoch(at);
    ++epochs_done_;
    ++at.epoch;
    at.step = 0;
  }
  carried_ = optimizer_->state();
  optimizer_.reset();
  at = {config_.stage, phase_after(at.phase, verdict), 0, 0, false};
  save(at);
  return at;
}

int Trainer::phase_after(int phase, const EpochVerdict& verdict) const {
  if (verdict.next_phase.empty()) return phase + 1;
  for (int later = phase + 1; later < static_cast<int>(phases_.size()); ++later)
    if (phases_[static_cast<size_t>(later)].name == verdict.next_phase) return later;
  fail("The method goes from phase '{}' to '{}', which is none of its later phases.",
       phases_[static_cast<size_t>(phase)].name, verdict.next_phase);
}

Progress Trainer::progress(const Position& at) const {
  Progress out;
  out.phase = at.phase;
  out.epoch = at.epoch;
  out.epochs = phases_[static_cast<size_t>(at.phase)].epochs;
  out.step = at.step;
  out.steps = steps_per_epoch_;
  out.global_epoch = epochs_done_;
  out.global_step = epochs_done_ * steps_per_epoch_ + at.step;
  out.learning_rate = optimizer_->learning_rate(epochs_into_phase(out));
  out.random = RandomStream(config_.seed, "hooks " + config_.stage)
                   .child(static_cast<uint64_t>(out.global_step));
  return out;
}

void Trainer::run_epoch(Position& at) {
  const Phase& phase = phases_[static_cast<size_t>(at.phase)];
  network_.train(phase.train_mode);
  network_.compute().bf16 = config_.bf16;
  loader_->start(epochs_done_, at.step);
  sinks_.display.begin(fmt::format("{} epoch {}/{}", phase.name, at.epoch + 1, phase.epochs),
                       steps_per_epoch_, at.step);
  for (; at.step < steps_per_epoch_; ++at.step) {
    const bool stop = is_to_stop();
    if (stop || seconds_since(saved_at_) >= config_.checkpoint_seconds) save(at);
    if (stop) throw Interrupted("Stopped on request; a checkpoint is saved.");
    const auto start = Clock::now();
    const std::optional<Batch> batch = loader_->next();
    require(batch.has_value(), "The loader ended an epoch early.");
    step(config_.device.is_cpu() ? *batch : batch->to(config_.device), at);
    tally_.seconds += seconds_since(start);
    if (sinks_.display.is_due()) {
      settle(at);
      sinks_.display.update(at.step + 1, fmt::format("loss {:.4f}", tally_.mean_loss()));
    }
  }
  settle(at);
  network_.compute().bf16 = false;
  sinks_.display.end();
}

bool Trainer::is_to_stop() const {
  const DataParallel* parallel = config_.division.parallel;
  return parallel ? parallel->stop_agreed() : interrupt_requested();
}

// Of one process's batch it is what is scored, which may be the nodes of one graph.
int64_t Trainer::samples_of(const Batch& batch, int64_t step) const {
  if (!config_.division.parallel) return batch.target.size(0);
  return std::min(config_.batch, dataset_.size(Split::Train) - step * config_.batch);
}

void Trainer::step(const Batch& batch, const Position& at) {
  const auto start = Clock::now();
  const Progress now = progress(at);
  try {
    tally_.add(training_step(network_, method_, *optimizer_, batch, now,
                             library_seed("dropout", now.global_step), config_.division,
                             samples_of(batch, at.step)));
  } catch (const std::exception&) {
    settle(at);  // what a hook stumbled over may come from a loss that was not finite
    throw;
  }
  if (config_.ema > 0) update_average(average_, network_, config_.ema);
  if (tally_.is_full()) settle(at);
  time_.stepping += seconds_since(start);
}

void Trainer::settle(const Position& at) {
  if (const auto bad = tally_.settle())
    fail(
        "The loss became {} in {} epoch {}, step {}: lower {}.lr or clip gradients "
        "({}.clip_grad_norm).",
        bad->loss, phases_[static_cast<size_t>(at.phase)].name, at.epoch + 1, bad->step + 1,
        config_.stage, config_.stage);
}

EpochVerdict Trainer::finish_epoch(const Position& at) {
  const Phase& phase = phases_[static_cast<size_t>(at.phase)];
  Position last_step = at;
  last_step.step = steps_per_epoch_ - 1;
  const Progress now = progress(last_step);
  EpochRow row;
  row.stage = phases_.size() > 1 || phase.name != "train" ? config_.stage + ":" + phase.name
                                                          : config_.stage;
  row.epoch = at.epoch;
  row.train_loss = tally_.mean_loss();
  row.train_top1 = tally_.top1();
  row.learning_rate = optimizer_->learning_rate(static_cast<double>(at.epoch));
  row.seconds = tally_.seconds;

  NamedTensors running;
  if (!average_.empty()) {
    running = copy_of(network_);
    restore(network_, average_);
  }
  if (dataset_.size(Split::Validation) > 0) validate(now, row);
  const EpochVerdict verdict = method_.after_epoch(
      network_, {now, row.train_loss, row.validation_loss, row.validation_top1});
  require(verdict.end_phase || verdict.next_phase.empty(),
          "The method names '{}' as its next phase without ending '{}'.", verdict.next_phase,
          phase.name);
  for (const std::string& name : verdict.drop) kept_.erase(name);
  if (!verdict.keep.empty()) {
    require(is_file_name(verdict.keep), "A kept state cannot be called '{}'.", verdict.keep);
    kept_[verdict.keep] = snapshot(network_, method_);
  }
  choose(at, row);
  if (!running.empty()) restore(network_, running);

  sinks_.epoch(row);
  show(at, row);
  tally_ = {};
  if (DataParallel* parallel = config_.division.parallel)
    parallel->require_equal(digest(), fmt::format("after {} epoch {}", phase.name, at.epoch + 1));
  return verdict;
}

void Trainer::validate(const Progress& progress, EpochRow& row) {
  network_.eval();
  torch::manual_seed(library_seed("evaluation", progress.global_step));
  MethodContext context = config_.context();
  method_.before_evaluation(context, progress);
  network_.eval();
  const auto start = Clock::now();
  EvaluationConfig evaluation;
  evaluation.split = Split::Validation;
  evaluation.batch = config_.evaluation_batch;
  evaluation.device = config_.device;
  evaluation.loader_threads = config_.loader_threads;
  evaluation.parallel = config_.division.parallel;
  const Accuracy accuracy = measure_accuracy(
      dataset_, evaluation, [&](const Batch& batch) { return network_.forward(batch); });
  row.validation_loss = accuracy.loss;
  row.validation_top1 = accuracy.top1();
  time_.total -= seconds_since(start);
}

// The last epoch goes on, or the best one of those phases that may give it.
void Trainer::choose(const Position& at, const EpochRow& row) {
  const bool validated = dataset_.size(Split::Validation) > 0;
  if (config_.select == Select::Last) {
    if (validated) validation_top1_ = row.validation_top1;
    return;
  }
  const bool is_last = at.phase + 1 == static_cast<int>(phases_.size());
  if (!phases_[static_cast<size_t>(at.phase)].selectable.value_or(is_last)) {
    if (!best_) validation_top1_ = row.validation_top1;
    return;
  }
  const double score =
      config_.select == Select::BestLoss ? -row.validation_loss : row.validation_top1;
  if (best_ && score <= best_score_) return;
  best_score_ = score;
  validation_top1_ = row.validation_top1;
  best_ = snapshot(network_, method_);
}

void Trainer::show(const Position& at, const EpochRow& row) {
  const int64_t epochs = phases_[static_cast<size_t>(at.phase)].epochs;
  if (at.epoch + 1 < epochs && seconds_since(shown_at_) <= 1) return;
  shown_at_ = Clock::now();
  sinks_.display.line(fmt::format(
      "{} epoch {}/{}: loss {:.4f}, top-1 {:.2f} %, validation {:.2f} %, rate {:.3g}, {}",
      row.stage, at.epoch + 1, epochs, row.train_loss, 100 * row.train_top1,
      100 * row.validation_top1, row.learning_rate, duration_text(row.seconds)));
}

std::string Trainer::digest() const {
  const SavedState state = snapshot(network_, method_);
  return sha256(hash_of(state.network) + hash_of(state.method.tensors) +
                state.method.values.dump() + hash_of(optimizer_->state()) + hash_of(average_));
}

void Trainer::save(const Position& at) {
  settle(at);
  time_.total += seconds_since(counted_from_);
  counted_from_ = saved_at_ = Clock::now();
  if (!sinks_.save) return;
  Checkpoint checkpoint;
  checkpoint.position = at;
  checkpoint.counters = {{"epoch", tally_.counters()},   {"phases", outline(phases_)},
                         {"epochs_done", epochs_done_},  {"best_score", best_score_},
                         {"total_seconds", time_.total}, {"step_seconds", time_.stepping}};
  if (validation_top1_) checkpoint.counters["validation_top1"] = *validation_top1_;
  checkpoint.state = snapshot(network_, method_);
  checkpoint.optimizer = optimizer_ ? optimizer_->state() : carried_;
  checkpoint.average = average_;
  checkpoint.best = best_;
  checkpoint.kept = kept_;
  sinks_.save(checkpoint);
  saved_at_ = Clock::now();
}

}  // namespace quantbench
