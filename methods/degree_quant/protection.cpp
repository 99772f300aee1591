#include "methods/degree_quant/protection.h"

#include <algorithm>
#include <vector>

namespace quantbench {

Tensor protection_probabilities(const Topology& graph, double p_min, double p_max) {
  const int64_t nodes = graph.node_count();
  const Tensor degrees = graph.in_degree().to(torch::kCPU).contiguous();
  const auto* degree = degrees.data_ptr<int64_t>();
  Tensor of_node = graph.graph_of_node();
  if (of_node.defined()) of_node = of_node.to(torch::kCPU).contiguous();
  const int64_t* owner = of_node.defined() ? of_node.data_ptr<int64_t>() : nullptr;

  Tensor out = torch::empty({nodes}, torch::kFloat64);
  auto* p = out.data_ptr<double>();
  std::vector<int64_t> sorted;
  for (int64_t first = 0; first < nodes;) {
    int64_t end = owner ? first : nodes;
    while (end < nodes && owner[end] == owner[first]) ++end;
    sorted.assign(degree + first, degree + end);
    std::sort(sorted.begin(), sorted.end());
    for (int64_t v = first; v < end; ++v) {
      const auto below = std::upper_bound(sorted.begin(), sorted.end(), degree[v]) - sorted.begin();
      p[v] =
          p_min + (p_max - p_min) * static_cast<double>(below) / static_cast<double>(end - first);
    }
    first = end;
  }
  return out;
}

void Protection::begin_step(const RandomStream& random) {
  random_ = random;
  nodes_.clear();
  edges_.clear();
}

Tensor Protection::nodes(const std::shared_ptr<const Topology>& graph, int layer) {
  if (graph != graph_) {
    graph_ = graph;
    probabilities_ = protection_probabilities(*graph, p_min_, p_max_);
    nodes_.clear();
    edges_.clear();
  }
  Tensor& mask = nodes_[per_layer_ ? layer : 0];
  if (mask.defined()) return mask;
  const RandomStream own = random_.child(static_cast<uint64_t>(per_layer_ ? layer : 0));
  mask = torch::empty({graph->node_count()}, torch::kUInt8);
  auto* drawn = mask.data_ptr<uint8_t>();
  const auto* p = probabilities_.data_ptr<double>();
  for (int64_t v = 0; v < graph->node_count(); ++v)
    drawn[v] = own.uniform(static_cast<uint64_t>(v)) < p[v];
  mask = mask.to(graph->source().device());
  return mask;
}

Tensor Protection::edges(const std::shared_ptr<const Topology>& graph, const Topology& on,
                         int layer) {
  const Tensor of_node = nodes(graph, layer);
  Tensor& mask = edges_[{per_layer_ ? layer : 0, &on}];
  if (!mask.defined()) mask = of_node.index_select(0, on.source());
  return mask;
}

}  // namespace quantbench
