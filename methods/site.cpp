#include "methods/site.h"

#include <algorithm>

#include "models/operations.h"

namespace quantbench {
namespace {

int64_t product(const std::vector<int64_t>& shape) {
  int64_t out = 1;
  for (int64_t size : shape) out *= size;
  return out;
}

class Catalogue {
 public:
  explicit Catalogue(const Graph& graph)
      : graph_(graph), shapes_(infer_shapes(graph)), macs_(count_macs(graph)) {}

  std::vector<Site> sites_of(int node) const {
    std::vector<Site> out;
    for (const PointValue& value : points_of(graph_, node, shapes_)) out.push_back(site(value));
    return out;
  }

  Site output_of(int node) const {
    return site({{node, PointKind::Output}, shapes_[static_cast<size_t>(node)]});
  }

 private:
  Site site(const PointValue& value) const {
    const Point& point = value.point;
    const auto i = static_cast<size_t>(point.node);
    Site out;
    out.point = point;
    out.name = graph_.nodes[i].name + "." + name_of(point.kind);
    if (point.port > 0) out.name += std::to_string(point.port);
    out.macs = macs_[i];
    // One row: the attention vectors side by side, the one norm of an edge.
    const bool flat = point.kind == PointKind::AttentionVector || point.kind == PointKind::EdgeNorm;
    out.shape = flat ? std::vector<int64_t>{product(value.shape)} : value.shape;
    const bool by_edge = point.kind == PointKind::EdgeNorm || point.kind == PointKind::Message ||
                         point.kind == PointKind::AttentionLogit;
    out.elements = by_edge ? 0 : product(out.shape);
    return out;
  }

  const Graph& graph_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<int64_t> macs_;
};

// The sites whose kind passes `wanted`, node by node.
template <typename Wanted>
std::vector<Site> sites(const Graph& graph, const Wanted& wanted) {
  const Catalogue catalogue(graph);
  std::vector<Site> out;
  for (int i = 0; i <= graph.output(); ++i)
    for (Site& site : catalogue.sites_of(i))
      if (wanted(site.point.kind)) out.push_back(std::move(site));
  return out;
}

}  // namespace

std::vector<Site> all_sites(const Graph& graph) {
  return sites(graph, [](PointKind kind) { return kind != PointKind::Bias; });
}

std::vector<Site> weight_sites(const Graph& graph) {
  return sites(graph, [](PointKind kind) { return kind == PointKind::Weight; });
}

std::vector<Site> bias_sites(const Graph& graph) {
  return sites(graph, [](PointKind kind) { return kind == PointKind::Bias; });
}

Point operand_of(const Graph& graph, int consumer) {
  int from = graph.nodes.at(static_cast<size_t>(consumer)).inputs.at(0);
  while (passes_on(graph.nodes[static_cast<size_t>(from)].operation))
    from = graph.nodes[static_cast<size_t>(from)].inputs[0];
  return {from, PointKind::Output};
}

std::vector<Site> operand_sites(const Graph& graph) {
  const Catalogue catalogue(graph);
  std::vector<Site> out;
  for (int i = 0; i <= graph.output(); ++i) {
    if (!multiplies(graph.nodes[static_cast<size_t>(i)].operation)) continue;
    const Point point = operand_of(graph, i);
    const bool known =
        std::any_of(out.begin(), out.end(), [&](const Site& site) { return site.point == point; });
    if (!known) out.push_back(catalogue.output_of(point.node));
  }
  return out;
}

bool is_relu(const Graph& graph, const Site& site) {
  return site.point.kind == PointKind::Output &&
         std::holds_alternative<op::Relu>(
             graph.nodes[static_cast<size_t>(site.point.node)].operation);
}

}  // namespace quantbench
