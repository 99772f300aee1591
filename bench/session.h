// One run in the making: the objects that its moments share, from the opened dataset to the result.
#pragma once

#include <filesystem>
#include <memory>

#include "bench/checkpoint.h"
#include "bench/packaging.h"
#include "bench/progress.h"
#include "bench/recipe.h"
#include "datasets/dataset.h"
#include "results/store.h"
#include "runtime/engine/engine_executor.h"

namespace quantbench {

class DataParallel;

// Of several processes rank 0 alone has a folder to write in.
struct SessionConfig {
  std::filesystem::path folder;  // checkpoint and package go here
  std::filesystem::path data_root;
  std::string device = "cpu";
  double checkpoint_seconds = 60;
  std::function<void(const EpochRow&)> epoch;
  std::filesystem::path weights = {};         // what fp32.weights names; "": found by its own text
  std::filesystem::path baselines = {};       // FP32 networks to share (baseline_cache.h); "": none
  std::string run = {};                       // uid
  std::vector<std::string> calibration = {};  // names that the recipe's list gives
  DataParallel* parallel = nullptr;           // of several processes that train together
};

struct SessionResult {
  RunResult result;
  std::vector<SiteRow> sites;
  std::vector<LatencyRow> latencies;
  std::vector<PredictionRow> predictions;
  std::map<std::string, std::string> artefacts;
  std::vector<std::string> doubts;  // why the run is mistrusted; empty: it is not
};

// Throws Error when a recipe's model and dataset are of different kinds.
void require_one_kind(const Recipe& recipe);

// A recipe's network for its dataset. Throws Error where the one cannot take the other's samples.
Graph graph_of(const Recipe& recipe, const Dataset& dataset);

// A frozen network as a file.
struct Shipped {
  Packaged packaged;
  int64_t size_bytes = 0;
  std::string weights_hash, package_hash;
};

class Session {
 public:
  Session(const Recipe& recipe, const Dataset& dataset, SessionConfig config,
          ProgressDisplay& display);
  ~Session();

  // Everything, from the start or from the folder's checkpoint. Processes that only help to train
  // return an empty result when that is done.
  SessionResult run(bool resume);

 private:
  bool leads() const;
  std::optional<Checkpoint> checkpoint(bool resume);
  // What one process does for all: it does it, and the others get its network and facts.
  void once(const std::function<void()>& work);
  void load_pretrained();
  // Makes freeze() see the network as training left it.
  void freeze();
  void train_fp32(const std::optional<Checkpoint>& from);
  // Puts what is kept of this FP32 network in its place; false when nothing is.
  bool take_baseline(const class BaselineCache& cache);
  void publish_baseline(const class BaselineCache& cache);
  void plan();
  void train_method(const std::optional<Checkpoint>& from);
  void finish(SessionResult& out);
  // Each kept state in turn becomes the network: frozen, packaged, measured.
  void measure_kept(SessionResult& out);
  struct FrontRow measure_kept(const std::string& name, const SavedState& state);
  Shipped ship(const std::filesystem::path& path);
  void save(Checkpoint& checkpoint);
  // LibTorch's own generator, at a moment of its own.
  void seed_library(const std::string& moment) const;
  struct TrainerConfig trainer_config(const std::string& stage);
  // Runs a stage and notes what is known of it.
  void train(const std::string& stage, Method& method, const std::optional<Checkpoint>& from);
  struct Accuracy measure(const std::string& title, const std::string& kind,
                          const std::function<Tensor(const Batch&)>& classifier,
                          torch::Device device, Split split = Split::Test,
                          DataParallel* parallel = nullptr);
  // What the recipe's `convert` names, beside the package; told in the artefact onnx.json.
  void write_onnx_files(const EngineExecutor& executor, SessionResult& out);
  std::vector<LatencyRow> latencies(const EngineExecutor& executor);
  MethodContext method_context();

  const Recipe& recipe_;
  const Dataset& dataset_;
  SessionConfig config_;
  ProgressDisplay& display_;
  torch::Device device_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Method> method_;
  std::vector<Batch> calibration_;
  std::string calibrated_on_;                        // the names of its samples, one a line
  std::map<std::string, SavedState> kept_;           // as the trainer left them
  nlohmann::json facts_ = nlohmann::json::object();  // measured on the way: in checkpoints
};

}  // namespace quantbench
