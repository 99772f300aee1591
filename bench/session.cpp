#include "bench/session.h"

#include "base/error.h"
#include "bench/provenance.h"
#include "datasets/loader.h"
#include "models/model.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

void require_one_kind(const Recipe& recipe) {
  const DatasetEntry& entry = datasets().get(recipe.dataset);
  require(entry.graphs == models().get(recipe.model).graphs,
          "The model {} runs on {}, and the dataset {} holds {}.", recipe.model,
          models().get(recipe.model).graphs ? "graphs" : "images", recipe.dataset,
          entry.graphs ? "graphs" : "images");
}

std::unique_ptr<Dataset> open_dataset(const Recipe& recipe, const fs::path& root) {
  require_one_kind(recipe);
  return datasets().get(recipe.dataset).open({root, recipe.dataset_options, recipe.seed});
}

Graph graph_of(const Recipe& recipe, const Dataset& dataset) {
  return build_model(recipe.model, {dataset.input_shape(), dataset.class_count()},
                     recipe.model_options.canonical());
}

Session::Session(const Recipe& recipe, const Dataset& dataset, SessionConfig config,
                 ProgressDisplay& display)
    : recipe_(recipe),
      dataset_(dataset),
      config_(std::move(config)),
      display_(display),
      device_(config_.device) {
  network_ = std::make_unique<Network>(graph_of(recipe, dataset), RandomStream(recipe.seed, "init"));
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
    if (from) restore(*network_, from->state.network);
    train_fp32(from);
  }
  SessionResult out;
  calibration_ = calibration_batches(dataset_, recipe_, device_);
  train_method(planned ? from : std::nullopt);
  finish(out);
  measure_kept(out);
  return out;
}

void Session::save(Checkpoint& checkpoint) {
  checkpoint.recipe = recipe_.canonical();
  checkpoint.counters["facts"] = facts_;
  write_checkpoint(config_.folder / "checkpoint.safetensors", checkpoint);
}

void Session::seed_library(const std::string& moment) const {
  torch::manual_seed(RandomStream(recipe_.seed, moment).seed());
}

int Session::loader_threads() const {
  const int64_t asked = recipe_.values.integer("loader.threads");
  return static_cast<int>(asked >= 0 ? asked : std::clamp(usable_cpus() / 4, 1, 8));
}

MethodContext Session::method_context() {
  return {*network_, calibration_, RandomStream(recipe_.seed, "method"),
          [this](const Batch& batch) {
            return torch::cross_entropy_loss(batch.scored(network_->forward(batch)), batch.target);
          },
          [this](const std::string& line) { display_.line(line); }};
}

}  // namespace quantbench
