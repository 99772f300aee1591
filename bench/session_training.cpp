// The part of a session that trains: the FP32 network, then the method's phases.
#include "base/error.h"
#include "base/sha256.h"
#include "bench/accuracy.h"
#include "bench/provenance.h"
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
  fs::path path(name);
  if (path.is_relative() && !fs::exists(path)) path = config_.data_root / name;
  load_weights(*network_, read_weight_file(path), path.string());
  facts_["pretrained"] = sha256_file(path);
}

TrainerConfig Session::trainer_config(const std::string& stage) {
  const OptionValues& v = recipe_.values;
  TrainerConfig config;
  config.stage = stage;
  config.budget = training_budget(recipe_, stage);
  config.batch = v.integer("batch");
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
  config.loader_threads = loader_threads();
  config.context = [this] { return method_context(); };
  return config;
}

void Session::train(const std::string& stage, Method& method,
                    const std::optional<Checkpoint>& from) {
  Trainer trainer(*network_, method, dataset_, trainer_config(stage),
                  {[&](Checkpoint& c) { save(c); }, config_.epoch, display_});
  trainer.run(from);
  kept_ = trainer.kept();
  if (trainer.validation_top1()) facts_["validation_top1"] = *trainer.validation_top1();
  facts_["seconds"][stage] = {trainer.time().total, trainer.time().stepping};
}

void Session::train_fp32(const std::optional<Checkpoint>& from) {
  const bool trains = training_budget(recipe_, "fp32").epochs > 0;
  NoMethod none;
  if (trains) train("fp32", none, from);
  network_->eval();
  // A method that trains from scratch has no FP32 network before it.
  if (!trains && !facts_.contains("pretrained")) return;
  const Accuracy accuracy = measure(
      "FP32 accuracy", "fp32", [&](const Batch& b) { return network_->forward(b); }, device_);
  facts_["top1_fp32"] = accuracy.top1();
  display_.line(fmt::format("FP32: {} of {} correct, top-1 {:.2f} %", accuracy.correct,
                            accuracy.samples, 100 * accuracy.top1()));
}

void Session::train_method(const std::optional<Checkpoint>& from) {
  network_->eval();
  if (from) {
    restore(*network_, *method_, from->state);
  } else {
    seed_library("plan");
    MethodContext context = method_context();
    method_->plan(context);
    method_->attach(*network_);
    network_->to(device_);
  }
  train("train", *method_, from);
  freeze();
}

void Session::freeze() {
  network_->eval();
  seed_library("freeze");
  MethodContext context = method_context();
  method_->freeze(context);
  network_->eval();
}

}  // namespace quantbench
