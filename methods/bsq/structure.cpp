#include "methods/bsq/structure.h"

namespace quantbench::bsq {
namespace {

template <typename Kind>
bool is(const Graph& graph, int index) {
  return std::holds_alternative<Kind>(graph.nodes[static_cast<size_t>(index)].operation);
}

}  // namespace

bool is_shortcut(const Graph& graph, int index) {
  const Node& node = graph.nodes[static_cast<size_t>(index)];
  const auto* conv = std::get_if<op::Conv2d>(&node.operation);
  if (!conv || conv->kernel[0] != 1 || conv->kernel[1] != 1) return false;
  const auto consumers = graph.consumers();
  if (consumers[static_cast<size_t>(node.inputs[0])].size() < 2) return false;
  int at = index;
  do {
    const auto& next = consumers[static_cast<size_t>(at)];
    if (next.size() != 1) return false;
    at = next[0];
  } while (is<op::BatchNorm>(graph, at));
  return is<op::Add>(graph, at);
}

bool is_bypassed(const Graph& graph, int index) {
  std::vector<bool> reached(graph.nodes.size(), false);
  reached[0] = true;
  for (size_t i = 1; i < graph.nodes.size(); ++i)
    for (int from : graph.nodes[i].inputs)
      if (static_cast<int>(i) != index && reached[static_cast<size_t>(from)]) reached[i] = true;
  return reached.back();
}

std::vector<Site> activation_sites(const Graph& graph, bool with_stem) {
  std::vector<Site> out;
  bool first = true;
  for (Site& site : all_sites(graph)) {
    if (!is_relu(graph, site)) continue;
    if (with_stem || !first) out.push_back(std::move(site));
    first = false;
  }
  return out;
}

}  // namespace quantbench::bsq
