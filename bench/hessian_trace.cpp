// Time until the trace of every layer's Hessian is known to a standard error of 5 %, on the public
// ResNet-20 and real training images: traces without sampling error (methods/common/exact_trace.h)
// against Hutchinson's method with vectors of each layer's own and with joint vectors for all
// layers. The two sampled schemes would run for many minutes, so their time is projected: from the
// time of kPilot samples and their variance to the number of samples that 5 % needs. Read ratios
// within one run, not times.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "bench/process.h"
#include "bench/provenance.h"
#include "datasets/dataset.h"
#include "methods/common/exact_trace.h"
#include "methods/common/signs.h"
#include "models/model.h"
#include "models/weight_file.h"

namespace quantbench {
namespace {

constexpr int64_t kImages = 128, kPilot = 16;
constexpr double kError = 0.05;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Subject {
  Network network{build_model("resnet20", {{3, 32, 32}, 10})};
  std::vector<Batch> batches;
  std::vector<Site> sites;
  std::vector<Tensor> weights;

  Subject() {
    const auto root = data_root("");
    const auto path = root / "weights/resnet20_cifar10.safetensors";
    load_weights(network, read_weight_file(path), path.string());
    network.eval();
    const DatasetEntry& entry = datasets().get("cifar10");
    const auto dataset = entry.open({root, OptionValues("cifar10", entry.options), 0});
    BatchRequest request;
    for (int64_t i = 0; i < kImages; ++i) request.positions.push_back(i);
    batches.push_back(dataset->batch(Split::Train, request));
    sites = weight_sites(network.graph());
    for (const Site& site : sites) weights.push_back(network.parameter(site.point.node, "weight"));
  }

  std::vector<TraceEstimate> exact() {
    return exact_traces(network, batches, sites, RandomStream(1, "traces"));
  }
  BlockHessian hessian() {
    return BlockHessian(
        [this](const Batch& b) { return torch::cross_entropy_loss(network.forward(b), b.target); },
        batches, weights);
  }
};

Subject& subject() {
  static Subject made;
  return made;
}

// The samples that a layer needs, given a pilot of kPilot.
double needed(const TraceEstimate& pilot, double trace) {
  const double deviation = pilot.error * std::sqrt(static_cast<double>(kPilot));
  const double ratio = deviation / (kError * trace);
  return std::max(1.0, ratio * ratio);
}

void without_sampling_error(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(subject().exact());
}

void vectors_of_each_layer(benchmark::State& state) {
  const auto traces = subject().exact();
  for (auto _ : state) {
    const BlockHessian hessian = subject().hessian();
    double projected = 0, measured = 0;
    for (size_t i = 0; i < traces.size(); ++i) {
      const auto start = Clock::now();
      std::vector<double> samples;
      for (int64_t k = 0; k < kPilot; ++k)
        samples.push_back(hessian.trace_sample(i, RandomStream(2, "own"), k));
      const double seconds = seconds_since(start);
      measured += seconds;
      projected += seconds / kPilot * needed(estimate_of(samples), traces[i].trace);
    }
    state.SetIterationTime(projected);
    state.counters["measured_s"] = measured;
  }
  state.SetLabel("projected");
}

void joint_vectors(benchmark::State& state) {
  const auto traces = subject().exact();
  for (auto _ : state) {
    const BlockHessian hessian = subject().hessian();
    std::vector<std::vector<double>> samples(traces.size());
    const auto start = Clock::now();
    for (int64_t k = 0; k < kPilot; ++k) {
      std::vector<Tensor> v;
      const RandomStream stream = RandomStream(3, "joint").child(static_cast<uint64_t>(k));
      for (size_t i = 0; i < traces.size(); ++i)
        v.push_back(random_signs(subject().weights[i].sizes(), stream.child(i)));
      const std::vector<Tensor> products = hessian.joint_product(v);
      for (size_t i = 0; i < traces.size(); ++i)
        samples[i].push_back((v[i] * products[i]).sum().item<double>());
    }
    const double each = seconds_since(start) / kPilot;
    double most = 0;
    for (size_t i = 0; i < traces.size(); ++i)
      most = std::max(most, needed(estimate_of(samples[i]), traces[i].trace));
    state.SetIterationTime(each * most);
    state.counters["measured_s"] = each * kPilot;
  }
  state.SetLabel("projected");
}

BENCHMARK(without_sampling_error)->Unit(benchmark::kSecond)->Iterations(3);
BENCHMARK(vectors_of_each_layer)->Unit(benchmark::kSecond)->UseManualTime()->Iterations(1);
BENCHMARK(joint_vectors)->Unit(benchmark::kSecond)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace quantbench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  quantbench::prepare_process(quantbench::usable_cpus());
  try {
    quantbench::subject();
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "hessian_trace: skipped: %s\n", problem.what());
    return 0;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
