// Finished runs for the tests of reports: a few lines make a run with a recipe, sites, predictions
// and latencies of one's choice.
#pragma once

#include <string>
#include <vector>

#include "base/sha256.h"
#include "tests/results/support.h"

namespace quantbench {

struct SomeRun {
  std::string method = "uniform", model = "lenet5", dataset = "mnist";
  std::string settings = "uniform.weight_bits = 4\n";  // lines of the recipe
  uint64_t seed = 1;
  double top1 = 0.9, top1_fp32 = 0.92;
  int64_t size_bytes = 1000, bops = 5000;
  double weight_bits = 4, activation_bits = 8;
  std::string fp32_epochs = "4";
  std::string weights;  // a pretrained file: then nothing was trained, before or by the method
  std::vector<int32_t> predicted, target;  // the samples are 0, 1, ...
  double latency_ms = 0;                   // 0: none
  bool latency_shipped = false;            // of the package instead of the simulation
  std::string cpu = "a CPU", data = "f00d";
  RunStatus status = RunStatus::Ok;
  int method_version = 1;
  std::string preprocessing = "mean 0.5";
  std::vector<std::pair<std::string, double>> figures{};
  int64_t paper_parameters = 0;  // 0: not known
};

inline RunRecord begin_run(Store& store, const SomeRun& r) {
  RunRecord run = some_run();
  run.method = r.method;
  run.method_version = r.method_version;
  run.model = r.model;
  run.dataset = r.dataset;
  run.seed = r.seed;
  run.preprocessing = r.preprocessing;
  run.dataset_fingerprint = r.data;
  run.provenance.cpu = r.cpu;
  run.recipe =
      "batch = 20\ncalibration.samples = 512\ndataset = " + r.dataset +
      "\nfp32.epochs = " + (r.weights.empty() ? r.fp32_epochs : "0\nfp32.weights = " + r.weights) +
      "\nmethod = " + r.method + "\nmodel = " + r.model + "\nseed = " + std::to_string(r.seed) +
      "\n" + r.settings;
  run.identity = sha256(run.recipe + r.preprocessing);
  return store.begin(run);
}

inline int64_t add_run(Store& store, const SomeRun& r) {
  const RunRecord run = begin_run(store, r);
  if (r.weights.empty())
    store.add_epochs(run.id, {{"fp32:fp32", 1, 0.5, 0.9, 0.6, 0.88, 0.1, 2},
                              {"train:tune", 1, 0.4, 0.91, 0.5, 0.89, 0.01, 2}});
  RunResult result;
  result.top1_fp32 = r.top1_fp32;
  result.top1_simulated = r.top1;
  result.top1_shipped = r.top1;
  result.test_samples = r.target.empty() ? 100 : static_cast<int64_t>(r.target.size());
  result.size_bytes = r.size_bytes;
  result.size_paper_bits = r.size_bytes * 8;
  if (r.paper_parameters > 0) result.size_paper_parameters = r.paper_parameters;
  result.figures = r.figures;
  result.weights_hash = sha256(run.recipe + "weights");
  result.package_hash = sha256(run.recipe + "package");
  result.predictions_hash = sha256(run.recipe + "predictions");
  result.weight_bits_average = r.weight_bits;
  result.activation_bits_average = r.activation_bits;
  result.bops = r.bops;
  std::vector<PredictionRow> predictions;
  if (!r.target.empty()) {
    PredictionRow row{"shipped", {}, r.predicted, r.target};
    for (size_t i = 0; i < r.target.size(); ++i) row.sample.push_back(static_cast<int32_t>(i));
    predictions.push_back(row);
  }
  std::vector<LatencyRow> latencies;
  if (r.latency_ms > 0)
    latencies.push_back({r.latency_shipped ? "package" : "fake_quantized",
                         r.latency_shipped ? "fused integer" : "simulated",
                         r.latency_shipped ? "quantbench" : "LibTorch", "AVX2", 1, 1, r.latency_ms,
                         0.9 * r.latency_ms, 1.1 * r.latency_ms, 10});
  store.finish(run.id, r.status, r.status == RunStatus::Ok ? "" : "It is doubtful.", result,
               {{"conv1", "weight", 8, 500, 1000, 200, "uniform"},
                {"fc1", "weight", r.weight_bits, 4000, 4000, 16, "uniform"},
                {"relu1.out", "output", r.activation_bits, 300, 0, 0, "uniform"}},
               latencies, predictions, {});
  return run.id;
}

}  // namespace quantbench
