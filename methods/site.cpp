#include "methods/site.h"

#include <algorithm>

#include "base/error.h"

namespace quantbench {
namespace {

bool multiplies(const Operation& o) {
  return std::holds_alternative<op::Conv2d>(o) || std::holds_alternative<op::Linear>(o);
}

// Its output holds its input's numbers and zeros, nothing new: codes pass through unchanged.
bool passes_on(const Operation& o) {
  return std::holds_alternative<op::Flatten>(o) || std::holds_alternative<op::Dropout>(o) ||
         std::holds_alternative<op::PadShortcut>(o) || std::holds_alternative<op::MaxPool>(o);
}

int64_t product(const std::vector<int64_t>& shape) {
  int64_t out = 1;
  for (int64_t size : shape) out *= size;
  return out;
}

std::vector<int64_t> weight_shape(const Operation& o) {
  if (auto* c = std::get_if<op::Conv2d>(&o))
    return {c->out, c->in / c->groups, c->kernel[0], c->kernel[1]};
  const auto& l = std::get<op::Linear>(o);
  return {l.out, l.in};
}

class Catalogue {
 public:
  explicit Catalogue(const Graph& graph)
      : graph_(graph), shapes_(infer_shapes(graph)), macs_(count_macs(graph)) {}

  Site site(const Point& point) const {
    const auto i = static_cast<size_t>(point.node);
    const Node& node = graph_.nodes[i];
    Site out;
    out.point = point;
    out.name = node.name + "." + name_of(point.kind);
    if (point.port > 0) out.name += std::to_string(point.port);
    out.macs = macs_[i];
    switch (point.kind) {
      case PointKind::Weight:
        out.shape = weight_shape(node.operation);
        break;
      case PointKind::Input:
        out.shape = shapes_[static_cast<size_t>(node.inputs[static_cast<size_t>(point.port)])];
        break;
      case PointKind::Output:
        out.shape = shapes_[i];
        break;
      case PointKind::Bias:
        // Bias adds along the last dimension, products have one for each channel.
        out.shape = {std::holds_alternative<op::Bias>(node.operation) ? shapes_[i].back()
                                                                      : shapes_[i].front()};
        break;
      case PointKind::Message:
        out.shape = shapes_[static_cast<size_t>(node.inputs[0])];
        return out;
      case PointKind::AttentionVector:
        out.shape = {2 * shapes_[static_cast<size_t>(node.inputs[0])][0]};
        break;
      case PointKind::AttentionLogit:
        out.shape = {std::get<op::Attention>(node.operation).heads};
        return out;
      case PointKind::EdgeNorm:
        out.shape = {1};
        return out;
    }
    out.elements = product(out.shape);
    return out;
  }

 private:
  const Graph& graph_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<int64_t> macs_;
};

}  // namespace

std::vector<Site> all_sites(const Graph& graph) {
  const Catalogue catalogue(graph);
  std::vector<Site> out;
  for (int i = 0; i <= graph.output(); ++i) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    auto add = [&](PointKind kind, int port = 0) {
      out.push_back(catalogue.site({i, kind, port}));
    };
    auto* propagate = std::get_if<op::Propagate>(&node.operation);
    const bool attention = std::holds_alternative<op::Attention>(node.operation);
    for (int port = 0; port < static_cast<int>(node.inputs.size()); ++port)
      add(PointKind::Input, port);
    if (multiplies(node.operation)) add(PointKind::Weight);
    if (propagate && propagate->reduce == op::Reduce::Gcn) add(PointKind::EdgeNorm);
    if (attention) add(PointKind::AttentionVector), add(PointKind::AttentionLogit);
    if (propagate || attention) add(PointKind::Message);
    add(PointKind::Output);
  }
  return out;
}

std::vector<Site> weight_sites(const Graph& graph) {
  std::vector<Site> out;
  for (Site& site : all_sites(graph))
    if (site.is_weight()) out.push_back(std::move(site));
  return out;
}

std::vector<Site> bias_sites(const Graph& graph) {
  const Catalogue catalogue(graph);
  std::vector<Site> out;
  for (int i = 0; i <= graph.output(); ++i) {
    const Operation& o = graph.nodes[static_cast<size_t>(i)].operation;
    auto* conv = std::get_if<op::Conv2d>(&o);
    auto* linear = std::get_if<op::Linear>(&o);
    if ((conv && conv->bias) || (linear && linear->bias) || std::holds_alternative<op::Bias>(o))
      out.push_back(catalogue.site({i, PointKind::Bias}));
  }
  return out;
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
    if (!known) out.push_back(catalogue.site(point));
  }
  return out;
}

bool is_relu(const Graph& graph, const Site& site) {
  return site.point.kind == PointKind::Output &&
         std::holds_alternative<op::Relu>(
             graph.nodes[static_cast<size_t>(site.point.node)].operation);
}

}  // namespace quantbench
