// Counting right answers: of the training graph (simulated) and of a loaded package (shipped), by
// one loop, so that the two differ in nothing but what computes the logits.
#pragma once

#include <functional>

#include "datasets/dataset.h"
#include "results/store.h"

namespace quantbench {

class DataParallel;

struct Accuracy {
  int64_t samples = 0, correct = 0, correct5 = 0;
  double loss = 0;  // mean cross-entropy
  bool not_finite = false;
  PredictionRow predictions;

  double top1() const {
    return samples ? static_cast<double>(correct) / static_cast<double>(samples) : 0;
  }
  double top5() const {
    return samples ? static_cast<double>(correct5) / static_cast<double>(samples) : 0;
  }
};

struct EvaluationConfig {
  Split split = Split::Test;
  int64_t batch = 250;
  int64_t samples = 0;  // the first ones; 0: all
  std::string kind;     // of the predictions
  torch::Device device = torch::kCPU;
  int loader_threads = 1;  // that make batches ahead
  // Shares the batches; all get the same figures, and the predictions of their own batches.
  DataParallel* parallel = nullptr;
};

using Classifier = std::function<Tensor(const Batch&)>;  // logits of every row
using Watcher = std::function<void(int64_t done, int64_t total)>;

// Throws Interrupted when a stop is asked for meanwhile.
Accuracy measure_accuracy(const Dataset& dataset, const EvaluationConfig& config,
                          const Classifier& classifier, const Watcher& watch = {});

}  // namespace quantbench
