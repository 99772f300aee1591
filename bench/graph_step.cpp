// One training step of GIN, GCN and GAT on graphs like those of REDDIT-BINARY (128 graphs a batch,
// 430 nodes and 500 undirected edges each, a few hubs): Degree-Quant and its QAT at INT8 over FP32.
#include "bench/step_benchmark.h"

namespace quantbench {
namespace {

constexpr int64_t kGraphs = 128, kNodes = 430, kEdges = 500;

// Graphs are classified, or nodes.
Batch threads(bool graphs) {
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
  batch.topology = std::make_shared<Topology>(kGraphs * kNodes, torch::tensor(source, torch::kLong),
                                              torch::tensor(target, torch::kLong),
                                              torch::tensor(graph_of_node, torch::kLong));
  batch.target = torch::arange(graphs ? kGraphs : kGraphs * kNodes) % 2;
  return batch;
}

void add(const std::string& model, const std::string& mode) {
  add_subject(model + ": " + (mode.empty() ? "fp32" : mode), [=] {
    const bool graphs = model == "gin5";
    TrainedTask task{model};
    if (!graphs) task.model_options["hidden"] = "64";
    task.batch = threads(graphs);
    task.input = {1};
    task.classes = 2;
    if (!mode.empty()) {
      task.method = "degree_quant";
      task.method_options["mode"] = mode;
    }
    task.optimizer.kind = OptimizerConfig::Kind::Adam;
    task.optimizer.lr = 1e-4;
    task.warm_up = 10;  // ranges move most in the first steps
    return train_on(task);
  });
}

}  // namespace
}  // namespace quantbench

int main(int argc, char** argv) {
  for (const char* model : {"gin5", "gcn2", "gat2"})
    for (const char* mode : {"", "dq", "qat"}) quantbench::add(model, mode);
  quantbench::run_step_benchmarks(argc, argv);
}
