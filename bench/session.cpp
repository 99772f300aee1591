#include "bench/session.h"

#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/safe_name.h"
#include "base/sha256.h"
#include "bench/accuracy.h"
#include "bench/latency.h"
#include "bench/trainer.h"
#include "datasets/loader.h"
#include "models/model.h"
#include "models/weight_file.h"
#include "runtime/reference_executor.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

// Training without a method: only the network's own parameters.
class NoMethod : public Method {
 public:
  void attach(Network&) override {}
};

std::vector<Batch> calibration_batches(const Dataset& dataset, const Recipe& recipe,
                                       torch::Device device) {
  const int64_t wanted =
      std::min(recipe.values.integer("calibration.samples"), dataset.size(Split::Train));
  const std::vector<int64_t> order =
      permutation(dataset.size(Split::Train), RandomStream(recipe.seed, "calibration"));
  const int64_t batch = std::min<int64_t>(128, wanted);
  std::vector<Batch> out;
  for (int64_t first = 0; first < wanted; first += batch) {
    BatchRequest request;
    const int64_t last = std::min(first + batch, wanted);
    request.positions.assign(order.begin() + first, order.begin() + last);
    out.push_back(dataset.batch(Split::Train, request).to(device));
  }
  return out;
}

double agreement(const PredictionRow& a, const PredictionRow& b) {
  int64_t same = 0;
  for (size_t i = 0; i < a.predicted.size(); ++i) same += a.predicted[i] == b.predicted[i];
  return a.predicted.empty() ? 1
                             : static_cast<double>(same) / static_cast<double>(a.predicted.size());
}

std::string hash_of(const PredictionRow& row) {
  return Sha256().update(row.predicted.data(), row.predicted.size() * sizeof(int32_t)).hex();
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const Recipe& recipe, const fs::path& root) {
  const DatasetEntry& entry = datasets().get(recipe.dataset);
  require(entry.graphs == models().get(recipe.model).graphs,
          "The model {} runs on {}, and the dataset {} holds {}.", recipe.model,
          models().get(recipe.model).graphs ? "graphs" : "images", recipe.dataset,
          entry.graphs ? "graphs" : "images");
  return entry.open({root, recipe.dataset_options, recipe.seed});
}

Session::Session(const Recipe& recipe, const Dataset& dataset, SessionConfig config,
                 ProgressDisplay& display)
    : recipe_(recipe),
      dataset_(dataset),
      config_(std::move(config)),
      display_(display),
      device_(config_.device) {
  const Graph graph = build_model(recipe.model, {dataset.input_shape(), dataset.class_count()},
                                  recipe.model_options.canonical());
  network_ = std::make_unique<Network>(graph, RandomStream(recipe.seed, "init"));
  method_ = methods().get(recipe.method).make(recipe.method_options);
}

Session::~Session() = default;

SessionResult Session::run(bool resume) {
  std::optional<Checkpoint> from;
  const fs::path path = config_.folder / "checkpoint.safetensors";
  if (resume && fs::exists(path)) from = read_checkpoint(path, recipe_.canonical());
  if (from) facts_ = from->counters.value("facts", nlohmann::json::object());

  const bool planned = from && from->position.stage == "train";
  if (!from) load_pretrained();
  network_->to(device_);
  if (!planned) {
    if (from) restore(*network_, from->network);
    train_fp32(from);
  }
  SessionResult out;
  calibration_ = calibration_batches(dataset_, recipe_, device_);
  train_method(planned ? from : std::nullopt);
  finish(out);
  measure_kept(out);
  return out;
}

void Session::load_pretrained() {
  const std::string& name = recipe_.values.text("fp32.weights");
  if (name.empty()) return;
  fs::path path(name);
  if (path.is_relative() && !fs::exists(path)) path = config_.data_root / name;
  load_weights(*network_, read_weight_file(path), path.string());
  facts_["pretrained"] = sha256_file(path);
}

TrainerConfig Session::trainer_config(const std::string& stage) const {
  const OptionValues& v = recipe_.values;
  TrainerConfig config;
  config.stage = stage;
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
  return config;
}

void Session::save(Checkpoint& checkpoint) {
  checkpoint.recipe = recipe_.canonical();
  checkpoint.counters["facts"] = facts_;
  write_checkpoint(config_.folder / "checkpoint.safetensors", checkpoint);
}

void Session::train_fp32(const std::optional<Checkpoint>& from) {
  const TrainingBudget budget = training_budget(recipe_, "fp32");
  NoMethod none;
  TrainerConfig config = trainer_config("fp32");
  config.phases = none.phases(*network_, budget);
  if (!config.phases.empty()) {
    config.phases[0].name = "fp32";
    Trainer trainer(*network_, none, dataset_, config,
                    {[&](Checkpoint& c) { save(c); }, config_.epoch, display_});
    trainer.run(from);
  }
  network_->eval();
  // A method that trains from scratch has no FP32 network before it.
  if (config.phases.empty() && !facts_.contains("pretrained")) return;
  const Accuracy accuracy = measure(
      "FP32 accuracy", "fp32", [&](const Batch& b) { return network_->forward(b); }, device_);
  facts_["top1_fp32"] = accuracy.top1();
  display_.line(fmt::format("FP32: {} of {} correct, top-1 {:.2f} %", accuracy.correct,
                            accuracy.samples, 100 * accuracy.top1()));
}

MethodContext Session::method_context() {
  return {*network_, calibration_, RandomStream(recipe_.seed, "method"),
          [this](const Batch& batch) {
            return torch::cross_entropy_loss(batch.scored(network_->forward(batch)), batch.target);
          },
          [this](const std::string& line) { display_.line(line); }};
}

void Session::train_method(const std::optional<Checkpoint>& from) {
  network_->eval();
  if (from) {
    method_->load(from->method);
  } else {
    MethodContext context = method_context();
    method_->plan(context);
  }
  method_->attach(*network_);
  network_->to(device_);
  if (from) restore(*network_, from->network);

  TrainerConfig config = trainer_config("train");
  config.context = [this] { return method_context(); };
  config.phases = method_->phases(*network_, training_budget(recipe_, "train"));
  if (!from) {
    Checkpoint checkpoint;
    checkpoint.position = {"train", 0, 0, 0};
    checkpoint.method = method_->save();
    checkpoint.network = snapshot(*network_);
    save(checkpoint);
  }
  if (!config.phases.empty()) {
    Trainer trainer(*network_, *method_, dataset_, config,
                    {[&](Checkpoint& c) { save(c); }, config_.epoch, display_});
    trainer.run(from);
    kept_ = trainer.kept();
  }
  network_->eval();
  MethodContext context = method_context();
  method_->freeze(context);
  network_->eval();
}

Accuracy Session::measure(const std::string& title, const std::string& kind,
                          const Classifier& classifier, torch::Device device, Split split) {
  EvaluationConfig config;
  config.split = split;
  config.batch = recipe_.values.integer("evaluation.batch");
  if (split == Split::Test) config.samples = recipe_.values.integer("evaluation.samples");
  config.kind = kind;
  config.device = device;
  const int64_t total = dataset_.size(split);
  display_.begin(title, config.samples ? std::min(total, config.samples) : total);
  Accuracy out = measure_accuracy(dataset_, config, classifier,
                                  [&](int64_t done, int64_t) { display_.update(done); });
  display_.end();
  return out;
}

Shipped Session::ship(const fs::path& path) {
  Shipped out;
  out.weights_hash = quantbench::hash_of(snapshot(*network_));
  network_->to(torch::kCPU);
  out.packaged = make_package(*network_, *method_);
  const MethodCard& card = methods().get(recipe_.method).card;
  out.packaged.package.notes = {{"method", card.name},
                                {"method_version", std::to_string(card.version)},
                                {"recipe", sha256(recipe_.canonical())}};
  out.size_bytes = static_cast<int64_t>(write_package(path, out.packaged.package));
  out.package_hash = sha256_file(path);
  return out;
}

void Session::finish(SessionResult& out) {
  RunResult& r = out.result;
  // Float sums would move values across the edges of coarse grids, now and then: only the method's
  // own rounding is to be seen here, and the package's integers add exactly.
  network_->compute().exact_products = network_->has_taps();
  if (facts_.contains("top1_fp32")) r.top1_fp32 = facts_["top1_fp32"].get<double>();
  Accuracy simulated = measure(
      "Simulated accuracy", "simulated", [&](const Batch& b) { return network_->forward(b); },
      device_);
  r.top1_simulated = simulated.top1();
  r.top5_simulated = simulated.top5();
  r.test_loss = simulated.loss;
  r.test_samples = simulated.samples;
  r.predictions_hash = hash_of(simulated.predictions);
  network_->compute().exact_products = false;
  if (simulated.nan) out.doubts.push_back("The simulated network gives NaN.");

  const fs::path path = config_.folder / "package.safetensors";
  Shipped shipped_file = ship(path);
  Packaged& packaged = shipped_file.packaged;
  r.weights_hash = shipped_file.weights_hash;
  r.size_bytes = shipped_file.size_bytes;
  r.package_hash = shipped_file.package_hash;
  r.size_paper_bits = packaged.weight_code_bits;
  r.weight_bits_average = packaged.weight_bits_average;
  r.activation_bits_average = packaged.activation_bits_average;
  r.macs = packaged.macs;
  r.bops = packaged.bops;
  out.sites = std::move(packaged.sites);
  for (std::string& doubt : packaged.doubts) out.doubts.push_back(std::move(doubt));

  const ReferenceExecutor executor(read_package(path));
  r.integer_share = executor.integer_share();
  Accuracy shipped = measure(
      "Shipped accuracy", "shipped", [&](const Batch& b) { return executor.forward(b); },
      torch::kCPU);
  r.top1_shipped = shipped.top1();
  if (shipped.nan) out.doubts.push_back("The shipped package gives NaN.");
  const double same = agreement(simulated.predictions, shipped.predictions);
  if (same < 0.999)
    out.doubts.push_back(
        fmt::format("The shipped package answers differently from the simulation on {:.2f} % of "
                    "the test samples.",
                    100 * (1 - same)));
  out.predictions = {std::move(simulated.predictions), std::move(shipped.predictions)};
  out.artefacts = method_->artefacts();
  for (const auto& [name, text] : out.artefacts)
    write_atomically(config_.folder / safe_name(name, "an artefact"), text);
  // A time beside wrong answers would only mislead.
  if (recipe_.values.flag("latency") && out.doubts.empty()) out.latencies = latencies();
}

std::vector<LatencyRow> Session::latencies() {
  const torch::NoGradGuard no_grad;
  BatchRequest request;
  const int64_t size =
      std::min(recipe_.values.integer("latency.batch"), dataset_.size(Split::Test));
  for (int64_t i = 0; i < size; ++i) request.positions.push_back(i);
  const Batch batch = dataset_.batch(Split::Test, request);
  auto subject = [&](const std::string& name, bool taps) {
    return TimedSubject{name, "simulated", "LibTorch " TORCH_VERSION, [this, taps, &batch] {
                          const torch::NoGradGuard inner;
                          network_->enable_taps(taps);
                          network_->forward(batch);
                        }};
  };
  std::vector<LatencyRow> rows =
      measure_latency({subject("fp32", false), subject("fake_quantized", true)}, size);
  network_->enable_taps(true);
  return rows;
}

}  // namespace quantbench
