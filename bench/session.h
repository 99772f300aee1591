// One run in the making: the objects that its moments share, from the opened dataset to the result.
#pragma once

#include <filesystem>
#include <memory>

#include "bench/checkpoint.h"
#include "bench/progress.h"
#include "bench/recipe.h"
#include "datasets/dataset.h"
#include "results/store.h"

namespace quantbench {

struct SessionConfig {
  std::filesystem::path folder;  // checkpoint and package go here
  std::filesystem::path data_root;
  std::string device = "cpu";
  double checkpoint_seconds = 60;
  std::function<void(const EpochRow&)> epoch;
};

struct SessionResult {
  RunResult result;
  std::vector<SiteRow> sites;
  std::vector<LatencyRow> latencies;
  std::vector<PredictionRow> predictions;
  std::map<std::string, std::string> artefacts;
  std::vector<std::string> doubts;  // why the run is mistrusted; empty: it is not
};

// Opens a recipe's dataset.
std::unique_ptr<Dataset> open_dataset(const Recipe& recipe, const std::filesystem::path& root);

class Session {
 public:
  Session(const Recipe& recipe, const Dataset& dataset, SessionConfig config,
          ProgressDisplay& display);
  ~Session();

  // Everything, from the start or from the folder's checkpoint.
  SessionResult run(bool resume);

 private:
  void load_pretrained();
  void train_fp32(const std::optional<Checkpoint>& from);
  void train_method(const std::optional<Checkpoint>& from);
  void finish(SessionResult& out);
  void save(Checkpoint& checkpoint);
  struct TrainerConfig trainer_config(const std::string& stage) const;
  struct Accuracy measure(const std::string& title, const std::string& kind,
                          const std::function<Tensor(const Batch&)>& classifier,
                          torch::Device device);
  std::vector<LatencyRow> latencies();
  MethodContext method_context();

  const Recipe& recipe_;
  const Dataset& dataset_;
  SessionConfig config_;
  ProgressDisplay& display_;
  torch::Device device_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Method> method_;
  std::vector<Batch> calibration_;
  nlohmann::json facts_ = nlohmann::json::object();  // measured before the method: in checkpoints
};

}  // namespace quantbench
