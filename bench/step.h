// One training step, and the sums over the steps of an epoch: what the trainer does and what the
// benchmarks of training steps time.
#pragma once

#include <nlohmann/json.hpp>

#include "bench/optimizer.h"
#include "methods/method.h"

namespace quantbench {

class DataParallel;

// What a step leaves, on its device: nobody waits for it.
struct StepOutcome {
  int64_t step = 0;  // of the epoch
  Tensor task_loss;  // mean cross-entropy, one number
  Tensor loss;       // with the method's own term
  Tensor correct;    // right answers, one number
  int64_t samples = 0;
};

// Where the step stands on the curve of its phase, in epochs.
double epochs_into_phase(const Progress& progress);

// How batches are divided: into `parts`, that go through the network one after the other, and among
// the processes of `parallel`, each of which computes an equal number of parts that follow on each
// other.
struct Division {
  int64_t parts = 1;  // a multiple of the number of processes
  DataParallel* parallel = nullptr;

  // The parts of a batch of so many samples: equal in size, the last one smaller if need be, and
  // fewer where there are not enough samples. First sample and number of each.
  std::vector<std::pair<int64_t, int64_t>> parts_of(int64_t samples) const;
  // Of those the first that this process computes, and how many; the samples likewise.
  std::pair<int64_t, int64_t> own_parts(int64_t samples) const;
  std::pair<int64_t, int64_t> own_samples(int64_t samples) const;
};

// Clears gradients, runs forward and backward between the method's hooks, steps the optimizer.
// `batch` holds this process's own samples of a batch of `samples`. `library_seed` is for
// LibTorch's own generator (dropout), a function of the position; every part has its own. Parts go
// in turn forward and backward: gradients are those of the whole batch's mean loss, BatchNorm's
// statistics are each part's, and the method's term is that behind the last. The outcome is that of
// the whole batch. Throws Error when a batch of graphs is to be parted.
StepOutcome training_step(Network& network, Method& method, PhaseOptimizer& optimizer,
                          const Batch& batch, const Progress& progress, uint64_t library_seed,
                          const Division& division, int64_t samples);
// A batch as a whole, in one process.
StepOutcome training_step(Network& network, Method& method, PhaseOptimizer& optimizer,
                          const Batch& batch, const Progress& progress, uint64_t library_seed);

// Sums of the running epoch. Outcomes are fetched from the device in bunches; the sums are the same
// however they are bunched.
class EpochTally {
 public:
  struct NotFinite {
    int64_t step = 0;  // the first such step of the epoch
    double loss = 0;
  };

  EpochTally() = default;
  explicit EpochTally(const nlohmann::json& counters);
  nlohmann::json counters() const;  // after settle()

  void add(StepOutcome outcome) { pending_.push_back(std::move(outcome)); }
  // Whether so much is pending that it should be settled.
  bool is_full() const { return pending_.size() >= 32; }
  // Waits for what is pending and adds it up to the first loss that is no finite number, if any.
  std::optional<NotFinite> settle();

  double mean_loss() const;  // these two after settle()
  double top1() const;

  double seconds = 0;  // of the steps and of waiting for their batches

 private:
  double loss_ = 0;
  int64_t correct_ = 0, samples_ = 0, steps_ = 0;
  std::vector<StepOutcome> pending_;
};

// Moves `average` towards the parameters of `module` by the share 1 - decay, and copies its
// buffers. What is new in the module starts there, what it lacks is dropped.
void update_average(NamedTensors& average, const torch::nn::Module& module, double decay);

}  // namespace quantbench
