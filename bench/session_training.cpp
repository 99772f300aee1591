// The part of a session that trains: the FP32 network, then the method's phases.
#include "base/error.h"
#include "base/sha256.h"
#include "bench/accuracy.h"
#include "bench/baseline_cache.h"
#include "bench/data_parallel.h"
#include "bench/data_source.h"
#include "bench/fp32_weights.h"
#include "bench/session.h"
#include "bench/trainer.h"
#include "models/weight_file.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

// Training without a method: only the network's own parameters.
class NoMethod : public Method {
 public:
  void attach(Network&) override {}
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override {
    std::vector<Phase> phases = Method::phases(network, budget);
    for (Phase& phase : phases) phase.name = "fp32";
    return phases;
  }
};

}  // namespace

void Session::load_pretrained() {
  const std::string& name = recipe_.values.text("fp32.weights");
  if (name.empty()) return;
  fs::path path = config_.weights.empty() ? fs::path(name) : config_.weights;
  if (path.is_relative() && !fs::exists(path)) path = config_.data_root / name;
  load_weights(*network_, read_fp32_weights(path), path.string());
  facts_["pretrained"] = sha256_file(path);
  facts_["fp32"] = {{"source", "weights"}, {"weights", name}, {"sha256", facts_["pretrained"]}};
}

TrainerConfig Session::trainer_config(const std::string& stage) {
  const OptionValues& v = recipe_.values;
  TrainerConfig config;
  config.stage = stage;
  config.budget = training_budget(recipe_, stage);
  config.batch = v.integer("batch");
  config.division.parallel = config_.parallel;
  config.division.parts = std::max(v.integer("batch.parts"), v.integer("batch.processes"));
  config.augment = v.flag("augment");
  config.bf16 = v.text("precision") == "bf16";
  config.ema = v.real(stage + ".ema");
  const std::string& select = v.text(stage + ".select");
  config.select = select == "best"        ? Select::BestTop1
                  : select == "best_loss" ? Select::BestLoss
                                          : Select::Last;
  config.seed = recipe_.seed;
  config.device = device_;
  config.evaluation_batch = v.integer("evaluation.batch");
  config.checkpoint_seconds = config_.checkpoint_seconds;
  config.loader_threads = loader_threads(recipe_, dataset_);
  config.context = [this] { return method_context(); };
  return config;
}

void Session::train(const std::string& stage, Method& method,
                    const std::optional<Checkpoint>& from) {
  std::function<void(Checkpoint&)> save_it;
  if (leads()) save_it = [this](Checkpoint& checkpoint) { save(checkpoint); };
  Trainer trainer(*network_, method, dataset_, trainer_config(stage),
                  {save_it,
                   [&](const EpochRow& row) {
                     if (stage == "fp32") facts_["fp32_epochs"].push_back(epoch_json(row));
                     config_.epoch(row);
                   },
                   display_});
  trainer.run(from);
  kept_ = trainer.kept();
  if (trainer.validation_top1()) facts_["validation_top1"] = *trainer.validation_top1();
  facts_["seconds"][stage] = {trainer.time().total, trainer.time().stepping};
}

bool Session::take_baseline(const BaselineCache& cache) {
  const std::optional<Baseline> found = cache.find();
  if (!found) return false;
  load_weights(*network_, found->network, cache.path().string());
  for (EpochRow row : found->epochs) {
    row.seconds = 0;  // it was another run's time
    config_.epoch(row);
  }
  if (found->facts.contains("validation_top1"))
    facts_["validation_top1"] = found->facts["validation_top1"];
  if (found->facts.value("samples", int64_t{-1}) == recipe_.values.integer("evaluation.samples"))
    facts_["top1_fp32"] = found->facts["top1_fp32"];
  facts_["fp32"] = {
      {"source", "baseline"}, {"file", cache.path().filename().string()}, {"run", found->run}};
  display_.line(fmt::format("FP32: taken from {}", cache.path().string()));
  return true;
}

void Session::publish_baseline(const BaselineCache& cache) {
  Baseline made;
  for (const auto& [name, tensor] : network_->state()) made.network[name] = tensor;
  for (const auto& row : facts_["fp32_epochs"]) made.epochs.push_back(epoch_of(row));
  made.facts = {{"top1_fp32", facts_["top1_fp32"]},
                {"samples", recipe_.values.integer("evaluation.samples")}};
  if (facts_.contains("validation_top1")) made.facts["validation_top1"] = facts_["validation_top1"];
  made.run = config_.run;
  cache.publish(made);
}

void Session::train_fp32(const std::optional<Checkpoint>& from) {
  const bool trains = training_budget(recipe_, "fp32").epochs > 0;
  std::unique_ptr<BaselineCache> cache;  // whose lock is held until the network is published
  bool taken = false;
  once([&] {
    if (!trains || config_.baselines.empty()) return;
    cache = std::make_unique<BaselineCache>(
        config_.baselines,
        baseline_key(recipe_, dataset_, network_->graph(), facts_.value("pretrained", ""),
                     config_.device),
        [this](const std::string& line) { display_.line(line); });
    taken = take_baseline(*cache);
  });
  if (config_.parallel) {
    std::string text = taken ? "taken" : "";
    config_.parallel->send(text);
    taken = !text.empty();
  }
  NoMethod none;
  if (trains && !taken) {
    train("fp32", none, from);
    facts_["fp32"] = {{"source", "trained"}, {"weights", recipe_.values.text("fp32.weights")}};
  }
  network_->eval();
  // A method that trains from scratch has no FP32 network before it.
  if (!trains && !facts_.contains("pretrained")) return;
  if (!facts_.contains("top1_fp32")) {
    const Accuracy accuracy = measure(
        "FP32 accuracy", "fp32", [&](const Batch& b) { return network_->forward(b); }, device_,
        Split::Test, config_.parallel);
    facts_["top1_fp32"] = accuracy.top1();
  }
  display_.line(fmt::format("FP32: top-1 {:.2f} %", 100 * facts_["top1_fp32"].get<double>()));
  if (cache && !taken) publish_baseline(*cache);
  facts_.erase("fp32_epochs");
}

void Session::train_method(const std::optional<Checkpoint>& from) {
  network_->eval();
  if (from) {
    restore(*network_, *method_, from->state);
  } else {
    plan();
  }
  train("train", *method_, from);
}

void Session::plan() {
  const auto work = [this] {
    seed_library("plan");
    MethodContext context = method_context();
    method_->plan(context);
    method_->attach(*network_);
    network_->to(device_);
  };
  DataParallel* parallel = config_.parallel;
  if (!parallel) return work();
  parallel->first(work);
  SavedState planned;
  if (leads()) planned = snapshot(*network_, *method_);
  parallel->send(planned);
  restore(*network_, *method_, planned);
}

void Session::freeze() {
  network_->eval();
  seed_library("freeze");
  MethodContext context = method_context();
  method_->freeze(context);
  network_->eval();
}

}  // namespace quantbench
