// Trains one stage of a run: the phases a method asked for, its hooks, validation after each epoch,
// checkpoints in between. Deterministic: the state after a step depends on the recipe and the
// position alone, so a stage that was cut anywhere goes on from its last checkpoint with the same
// bits.
#pragma once

#include <chrono>
#include <functional>

#include "bench/checkpoint.h"
#include "bench/progress.h"
#include "bench/step.h"
#include "datasets/dataset.h"
#include "results/store.h"

namespace quantbench {

// Which epoch's network goes on; Best* look at the validation split.
enum class Select { Last, BestTop1, BestLoss };

struct TrainerConfig {
  std::string stage;  // "fp32" or "train"
  TrainingBudget budget;
  int64_t batch = 128;
  Division division;
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
  std::function<void(Checkpoint&)> save;  // fills in the recipe, writes; none: nothing is saved
  std::function<void(const EpochRow&)> epoch;
  ProgressDisplay& display;
};

// Where the time of a stage went, over all its processes.
struct StageTime {
  double total = 0;     // without validation
  double stepping = 0;  // of it: within training steps
};

class Trainer {
 public:
  // The method is attached.
  Trainer(Network& network, Method& method, const Dataset& dataset, TrainerConfig config,
          TrainerSinks sinks);
  ~Trainer();

  // Runs the stage to its end, from `checkpoint` if it stands inside this stage (network and method
  // already restored). Throws Interrupted after saving when a stop was asked for, and Error when
  // the loss is no longer finite or the method's phases are not what Phase and EpochVerdict allow.
  // At the end of an epoch the method sees the averaged network where there is one; the network
  // that trains is put back afterwards.
  //
  // Several processes stop at the same step. Rank 0 alone begins phases, and the others take on
  // what that left; all of them train, validate and end epochs, after each of which the Error says
  // so when they are no longer equal to the bit.
  void run(const std::optional<Checkpoint>& checkpoint);

  // States that the method asked to keep, by name.
  const std::map<std::string, SavedState>& kept() const { return kept_; }
  // Top-1 on the validation split of the epoch that goes on; none: no epoch, or no such split.
  std::optional<double> validation_top1() const { return validation_top1_; }
  StageTime time() const { return time_; }

 private:
  void take_up(const Checkpoint& checkpoint);
  void plan_phases();
  // Runs the phase of `at` to its end; returns where to go on.
  Position run_phase(Position at);
  void begin_phase(int phase);
  void let_method_begin(int phase);
  void run_epoch(Position& at);
  void step(const Batch& batch, const Position& at);
  EpochVerdict finish_epoch(const Position& at);
  void validate(const Progress& progress, EpochRow& row);
  void choose(const Position& at, const EpochRow& row);
  int phase_after(int phase, const EpochVerdict& verdict) const;
  Progress progress(const Position& at) const;
  uint64_t library_seed(const std::string& moment, int64_t index) const;
  int64_t samples_of(const Batch& batch, int64_t step) const;
  bool is_to_stop() const;
  // Of everything that the next epoch depends on.
  std::string digest() const;
  void settle(const Position& at);
  void save(const Position& at);
  void show(const Position& at, const EpochRow& row);

  Network& network_;
  Method& method_;
  const Dataset& dataset_;
  TrainerConfig config_;
  TrainerSinks sinks_;
  std::vector<Phase> phases_;
  std::unique_ptr<class Loader> loader_;
  std::unique_ptr<PhaseOptimizer> optimizer_;
  NamedTensors carried_;  // the state of the optimizer before optimizer_ is made
  EpochTally tally_;
  int64_t steps_per_epoch_ = 1;
  int64_t epochs_done_ = 0;  // of all phases
  NamedTensors average_;
  std::optional<SavedState> best_;
  double best_score_ = 0;  // of best_, higher is better
  std::optional<double> validation_top1_;
  std::map<std::string, SavedState> kept_;
  StageTime time_;
  using Clock = std::chrono::steady_clock;
  Clock::time_point saved_at_, shown_at_, counted_from_;
};

}  // namespace quantbench
