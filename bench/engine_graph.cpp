// A GIN layer of 64 features on INT8 with weights that have a zero point, on 32 graphs of
// REDDIT-BINARY (where it is found, else on random edges of that number), against LibTorch's
// index_add and matrix products, and against the engine's own FP32 twin.
#include <fmt/format.h>

#include "base/error.h"
#include "bench/burst_timing.h"
#include "bench/package_latency.h"
#include "datasets/dataset.h"
#include "methods/site.h"
#include "models/builder.h"
#include "models/network.h"

namespace quantbench {
namespace {

constexpr int64_t kFeatures = 64, kGraphs = 32;

Graph gin_layer() {
  GraphBuilder g("gin_layer", {kFeatures}, kFeatures);
  const int sum = g.node("propagate", op::Propagate{op::Reduce::Sum, false}, {g.input()});
  int x = g.node("update", op::GinUpdate{true}, {g.input(), sum}, "layer");
  x = g.relu("relu1", g.linear("nn.0", x, kFeatures));
  x = g.relu("relu2", g.linear("nn.2", x, kFeatures));
  g.batch_norm("nn.4", x);
  return std::move(g).build();
}

UniformFormat affine(const Tensor& x) {
  const double low = std::min(x.min().item<double>(), 0.0);
  const double high = std::max(x.max().item<double>(), 1e-3);
  UniformFormat format;
  format.scale = torch::full({1}, (high - low) / 255, torch::kFloat);
  format.zero_point = torch::full(
      {1}, static_cast<int64_t>(std::nearbyint(-low / (high - low) * 255)), torch::kInt);
  format.bits = torch::full({1}, 8, torch::kByte);
  return format;
}

// Affine formats of 8 bits by range: weights, messages, operands and what leaves each node.
Package quantized(const Network& network, const Batch& batch) {
  Package package;
  package.graph = network.graph();
  for (const auto& [name, tensor] : network.state())
    package.parameters[name] = tensor.detach().clone();
  for (const Site& site : weight_sites(package.graph)) {
    const Node& node = package.graph.nodes[static_cast<size_t>(site.point.node)];
    const Tensor weight = package.parameters.at(node.scope + ".weight");
    const UniformFormat format = affine(weight);
    package.weights[site.point] = UniformEncoding{format, quantize(format, weight)};
    package.parameters.erase(node.scope + ".weight");
  }
  std::vector<Point> points;
  for (const Site& site : operand_sites(package.graph)) points.push_back(site.point);
  for (const Site& site : all_sites(package.graph))
    if (site.point.kind == PointKind::Message) points.push_back(site.point);
  points.push_back({0, PointKind::Output});
  points.push_back({package.graph.index_of("propagate"), PointKind::Output});
  points.push_back({package.graph.output(), PointKind::Output});
  Network observed(package.graph);
  observed.eval();
  observed.observe(batch, points, [&](const Point& point, const Tensor& x, const TapContext&) {
    package.activations[point] = affine(x);
  });
  return package;
}

Batch graphs() {
  Batch batch;
  try {
    const auto& entry = datasets().get("reddit_binary");
    const auto dataset =
        entry.open({data_root(""), OptionValues("dataset reddit_binary", entry.options), 0});
    BatchRequest request;
    for (int64_t i = 0; i < kGraphs; ++i) request.positions.push_back(i);
    batch = dataset->batch(Split::Test, request);
  } catch (const Error& error) {
    fmt::print("{} Random edges instead.\n", error.what());
    const int64_t nodes = 430 * kGraphs, edges = 995 * kGraphs;
    batch.topology = std::make_shared<Topology>(nodes, torch::randint(nodes, {edges}),
                                                torch::randint(nodes, {edges}));
  }
  batch.input = torch::randn({batch.topology->node_count(), kFeatures}).abs();
  return batch;
}

void compare(int threads) {
  const Batch batch = graphs();
  Network network(gin_layer());
  network.eval();
  const Package package = quantized(network, batch);
  torch::set_num_threads(threads);
  const EngineExecutor integer(package, "", threads), floating(float_twin(package), "", threads);
  const Tensor source = batch.topology->source(), target = batch.topology->target();
  std::map<std::string, Tensor> state;
  for (const auto& [name, tensor] : network.state()) state[name] = tensor;
  const auto weight = [&](const char* name) { return state.at(name); };
  const auto torch_layer = [&] {
    const torch::NoGradGuard no_grad;
    const Tensor& x = batch.input;
    Tensor y = torch::zeros_like(x).index_add_(0, target, x.index_select(0, source));
    y = y + (1 + weight("layer.eps")) * x;
    y = torch::relu(torch::linear(y, weight("nn.0.weight"), weight("nn.0.bias")));
    y = torch::relu(torch::linear(y, weight("nn.2.weight"), weight("nn.2.bias")));
    return torch::batch_norm(y, weight("nn.4.weight"), weight("nn.4.bias"),
                             weight("nn.4.running_mean"), weight("nn.4.running_var"), false, 0.1,
                             1e-5, false);
  };
  const std::vector<CallTimes> times = time_in_bursts(
      {[&] { integer.forward(batch); }, [&] { floating.forward(batch); }, [&] { torch_layer(); }});
  fmt::print(
      "{} nodes, {} edges, {} threads: INT8 {:.3f} ms; {:.2f} times as fast as the FP32 twin, "
      "{:.2f} times as fast as LibTorch with index_add\n",
      batch.topology->node_count(), batch.topology->edge_count(), threads, times[0].median,
      times[1].median / times[0].median, times[2].median / times[0].median);
  for (const EngineExecutor* executor : {&integer, &floating}) {
    const std::vector<engine::StepInfo> steps = executor->program()->steps();
    const std::vector<double> seconds = executor->program()->time_steps(batch, 20);
    for (size_t i = 0; i < steps.size(); ++i)
      fmt::print("    {:<24} {:<28} {:>9.1f} us\n", steps[i].name, steps[i].kernel,
                 1e6 * seconds[i]);
  }
}

}  // namespace
}  // namespace quantbench

int main() {
  torch::manual_seed(1);
  const int threads = torch::get_num_threads();
  quantbench::compare(1);
  if (threads > 1) quantbench::compare(threads);
  return 0;
}
