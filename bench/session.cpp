#include "bench/session.h"

#include "base/error.h"
#include "base/file.h"
#include "bench/calibration_set.h"
#include "bench/data_parallel.h"
#include "bench/data_source.h"
#include "models/model.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

std::vector<Batch> calibration_batches(const Dataset& dataset, const std::vector<int64_t>& order,
                                       torch::Device device) {
  const auto wanted = static_cast<int64_t>(order.size());
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
  network_ =
      std::make_unique<Network>(graph_of(recipe, dataset), RandomStream(recipe.seed, "init"));
  method_ = methods().get(recipe.method).make(recipe.method_options);
}

Session::~Session() = default;

bool Session::leads() const { return !config_.parallel || config_.parallel->leads(); }

std::optional<Checkpoint> Session::checkpoint(bool resume) {
  const fs::path path = config_.folder / "checkpoint.safetensors";
  std::string bytes;
  if (!config_.parallel) {
    if (!resume || !fs::exists(path)) return std::nullopt;
    return read_checkpoint(path, recipe_.canonical());
  }
  config_.parallel->first([&] {
    if (resume && fs::exists(path)) bytes = read_file(path);
  });
  config_.parallel->send(bytes);
  if (bytes.empty()) return std::nullopt;
  return parse_checkpoint(bytes, path.string(), recipe_.canonical());
}

void Session::once(const std::function<void()>& work) {
  DataParallel* parallel = config_.parallel;
  if (!parallel) return work();
  parallel->first(work);
  parallel->send_state(*network_);
  std::string facts = facts_.dump();
  parallel->send(facts);
  if (!leads()) facts_ = nlohmann::json::parse(facts);
}

SessionResult Session::run(bool resume) {
  const std::optional<Checkpoint> from = checkpoint(resume);
  if (from) facts_ = from->counters.value("facts", nlohmann::json::object());

  const bool planned = from && from->position.stage == "train";
  if (!from) once([this] { load_pretrained(); });
  network_->to(device_);
  if (!planned) {
    if (from) restore(*network_, from->state.network);
    train_fp32(from);
  }
  SessionResult out;
  const auto positions = calibration_positions(recipe_, dataset_, config_.calibration);
  calibrated_on_ = calibration_rows(dataset_, positions);
  calibration_ = calibration_batches(dataset_, positions, device_);
  train_method(planned ? from : std::nullopt);
  if (!leads()) return {};
  freeze();
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

MethodContext Session::method_context() {
  return {*network_, calibration_, RandomStream(recipe_.seed, "method"),
          [this](const Batch& batch) {
            return torch::cross_entropy_loss(batch.scored(network_->forward(batch)), batch.target);
          },
          [this](const std::string& line) { display_.line(line); }};
}

}  // namespace quantbench
