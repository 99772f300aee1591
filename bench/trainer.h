// Trains one stage of a run: the phases a method asked for, its hooks, validation after each epoch,
// checkpoints in between. Deterministic: the state after a step depends on the recipe and the
// position alone, so a stage that was cut anywhere goes on from its last checkpoint with the same
// bits.
#pragma once

#include <functional>
#include <optional>

#include "bench/checkpoint.h"
#include "bench/progress.h"
#include "datasets/dataset.h"
#include "results/store.h"

namespace quantbench {

// Which epoch's network goes on; Best* look at the validation split.
enum class Select { Last, BestTop1, BestLoss };

struct TrainerConfig {
  std::string stage;  // "fp32" or "train"
  std::vector<Phase> phases;
  int64_t batch = 128;
  bool augment = true;
  bool bf16 = false;
  double ema = 0;  // decay of the averaged weights, 0: off
  Select select = Select::Last;
  uint64_t seed = 0;
  torch::Device device = torch::kCPU;
  int64_t evaluation_batch = 250;
  double checkpoint_seconds = 60;
  int loader_threads = 1;
  std::function<MethodContext()> context;  // for the method's hooks that look at data
};

// Where the trainer reports to.
struct TrainerSinks {
  std::function<void(Checkpoint&)> save;  // fills in the recipe, writes
  std::function<void(const EpochRow&)> epoch;
  ProgressDisplay& display;
};

class Trainer {
 public:
  Trainer(Network& network, Method& method, const Dataset& dataset, TrainerConfig config,
          TrainerSinks sinks);

  // Runs the stage to its end, from `checkpoint` if it stands inside this stage (network and method
  // already restored). Throws Interrupted after saving when a stop was asked for, and Error when
  // the loss is no longer finite.
  void run(const std::optional<Checkpoint>& checkpoint);

  // States that the method asked to keep, by name.
  const std::map<std::string, std::map<std::string, Tensor>>& kept() const { return kept_; }

 private:
  struct Tally {  // of the running epoch
    double loss = 0, seconds = 0;
    int64_t correct = 0, samples = 0, steps = 0;
  };

  void run_phase(int phase, const std::optional<Checkpoint>& checkpoint);
  void run_epoch(int phase, int64_t epoch, int64_t first_step);
  void step(const Batch& batch, const Progress& progress, int64_t global_step);
  bool finish_epoch(int phase, int64_t epoch);
  void save(const Position& position);
  void update_average();
  int64_t epochs_before(int phase) const;

  Network& network_;
  Method& method_;
  const Dataset& dataset_;
  TrainerConfig config_;
  TrainerSinks sinks_;
  std::unique_ptr<class Loader> loader_;
  std::unique_ptr<class PhaseOptimizer> optimizer_;
  Tally tally_;
  double best_score_ = 0;  // of best_, higher is better
  int64_t steps_per_epoch_ = 1;
  std::map<std::string, Tensor> average_, best_;
  std::map<std::string, std::map<std::string, Tensor>> kept_;
  std::chrono::steady_clock::time_point saved_at_, shown_at_;

 public:
  ~Trainer();
};

}  // namespace quantbench
