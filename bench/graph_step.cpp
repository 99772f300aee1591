// One training step of GIN, GCN and GAT on graphs like those of REDDIT-BINARY (128 graphs a batch,
// 430 nodes and 500 undirected edges each, a few hubs): Degree-Quant and QAT at INT8 over FP32. The
// order of repetitions is random; read the ratios.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "bench/optimizer.h"
#include "bench/process.h"
#include "bench/provenance.h"
#include "methods/method.h"
#include "models/model.h"

namespace quantbench {
namespace {

constexpr int64_t kGraphs = 128, kNodes = 430, kEdges = 500;
constexpr int kSteps = 3;  // of each subject, in every repetition

Batch threads() {
  const RandomStream random(1, "synthetic");
  std::vector<int64_t> source, target, graph_of_node;
  for (int64_t g = 0; g < kGraphs; ++g) {
    const RandomStream own = random.child(static_cast<uint64_t>(g));
    for (int64_t v = 0; v < kNodes; ++v) graph_of_node.push_back(g);
    for (int64_t e = 0; e < kEdges; ++e) {
      // Most edges meet one of a few hubs.
      const auto i = static_cast<uint64_t>(3 * e);
      const auto a = static_cast<int64_t>(own.below(i, kNodes));
      const auto b = static_cast<int64_t>(own.below(i + 1, own.uniform(i + 2) < 0.8 ? 4 : kNodes));
      for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
        source.push_back(g * kNodes + from);
        target.push_back(g * kNodes + to);
      }
    }
  }
  torch::manual_seed(1);
  Batch batch;
  batch.input = torch::randn({kGraphs * kNodes, 1});
  batch.topology = std::make_shared<Topology>(
      kGraphs * kNodes, torch::tensor(source, torch::kLong), torch::tensor(target, torch::kLong),
      torch::tensor(graph_of_node, torch::kLong));
  return batch;
}

class Subject {
 public:
  Subject(const std::string& model, const std::string& mode)
      : network_(build_model(model, {{1}, 2},
                             model == "gin5" ? std::map<std::string, std::string>{}
                                             : std::map<std::string, std::string>{{"hidden", "64"}})),
        batch_(threads()) {
    batch_.target = torch::arange(model == "gin5" ? kGraphs : kGraphs * kNodes) % 2;
    std::map<std::string, std::string> options;
    if (!mode.empty()) options["mode"] = mode;
    const MethodEntry& entry = methods().get(mode.empty() ? "fp32" : "degree_quant");
    method_ = entry.make(OptionValues("method", entry.card.options, options));
    MethodContext context{network_, {}, RandomStream(1, "method"), {}, {}};
    method_->plan(context);
    method_->attach(network_);
    network_.train();
    TrainingBudget budget;
    budget.epochs = 1;
    budget.optimizer.kind = OptimizerConfig::Kind::Adam;
    budget.optimizer.lr = 1e-4;
    optimizer_ = std::make_unique<PhaseOptimizer>(method_->phases(network_, budget).at(0));
    steps(20);  // ranges move most in the first ones
  }

  // Seconds each.
  std::vector<double> steps(int count) {
    std::vector<double> out;
    for (int i = 0; i < count; ++i) {
      const auto start = std::chrono::steady_clock::now();
      method_->before_step(network_, {0, 0, 1, step_++, 1});
      optimizer_->zero_grad();
      torch::cross_entropy_loss(network_.forward(batch_), batch_.target).backward();
      optimizer_->step(1);
      out.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return out;
  }

 private:
  Network network_;
  Batch batch_;
  std::unique_ptr<Method> method_;
  std::unique_ptr<PhaseOptimizer> optimizer_;
  int64_t step_ = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

std::map<std::string, std::vector<double>>& times() {
  static std::map<std::string, std::vector<double>> all;
  return all;
}

void register_subject(const std::string& name, std::shared_ptr<Subject> subject) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 for (auto _ : state) {
                                   const std::vector<double> seconds = subject->steps(kSteps);
                                   auto& all = times()[name];
                                   all.insert(all.end(), seconds.begin(), seconds.end());
                                   state.SetIterationTime(median(seconds));
                                 }
                               })
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime()
      ->Iterations(1)
      ->Repetitions(7)
      ->ReportAggregatesOnly(true);
}

}  // namespace
}  // namespace quantbench

int main(int argc, char** argv) {
  using namespace quantbench;
  prepare_process(usable_cpus());
  std::vector<char*> arguments(argv, argv + argc);
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  arguments.push_back(interleave.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  const std::vector<std::string> models{"gin5", "gcn2", "gat2"};
  for (const std::string& model : models) {
    register_subject(model + "_fp32", std::make_shared<Subject>(model, ""));
    for (const char* mode : {"dq", "qat"})
      register_subject(model + "_" + mode, std::make_shared<Subject>(model, mode));
  }
  benchmark::RunSpecifiedBenchmarks();
  for (const std::string& model : models)
    for (const char* mode : {"_dq", "_qat"})
      if (!times()[model + mode].empty() && !times()[model + "_fp32"].empty())
        fmt::print("{:<20} {:.3f}\n", model + mode + " / fp32",
                   median(times()[model + mode]) / median(times()[model + "_fp32"]));
}
