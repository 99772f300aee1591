#include "methods/hgq/ebops.h"

#include <algorithm>

#include "models/evaluate.h"

namespace quantbench::hgq {
namespace {

double product(const std::vector<int64_t>& shape) {
  double out = 1;
  for (int64_t size : shape) out *= static_cast<double>(size);
  return out;
}

}  // namespace

LayerCost::LayerCost(const Graph& graph, int node, int64_t parallel)
    : graph_(graph), node_(node), operand_(operand_of(graph, node)) {
  const auto shapes = infer_shapes(graph);
  const auto before = [&](int at) { return graph.nodes[static_cast<size_t>(at)].inputs.at(0); };
  for (int at = before(node); at != operand_.node; at = before(at)) way_.push_back(at);
  std::reverse(way_.begin(), way_.end());
  operand_shape_ = shapes[static_cast<size_t>(operand_.node)];
  in_shape_ = shapes[static_cast<size_t>(before(node))];
  const std::vector<int64_t>& out = shapes[static_cast<size_t>(node)];
  if (out.size() == 3) positions_ = static_cast<double>(out[1] * out[2]);
  counted_ = parallel == 0 ? positions_ : std::min(positions_, static_cast<double>(parallel));
  for (const Site& site : weight_sites(graph))
    if (site.point.node == node) weights_ = product(site.shape);
}

Tensor LayerCost::arriving(const Tensor& widths) const {
  if (way_.empty()) return widths.expand(operand_shape_);
  Tensor map = widths.expand(operand_shape_).unsqueeze(0);
  const Batch none;
  for (int node : way_) map = evaluate(graph_.nodes[static_cast<size_t>(node)], {map}, none, {});
  return map.squeeze(0);
}

Tensor LayerCost::ebops(const Tensor& inputs, const Tensor& weights) const {
  const Operation& operation = graph_.nodes[static_cast<size_t>(node_)].operation;
  auto* conv = std::get_if<op::Conv2d>(&operation);
  // What an input is multiplied with adds up over the outputs first.
  if (!conv) return torch::dot(inputs.reshape({-1}), weights.sum(0));
  const auto [top, left, bottom, right] = conv->padding;
  const Tensor kernels = weights
                             .view({conv->groups, conv->out / conv->groups, conv->in / conv->groups,
                                    conv->kernel[0], conv->kernel[1]})
                             .sum(1);
  const Tensor padded = torch::constant_pad_nd(inputs.unsqueeze(0), {left, right, top, bottom});
  const Tensor all =
      torch::conv2d(padded, kernels, Tensor(), conv->stride, std::vector<int64_t>{0, 0},
                    std::vector<int64_t>{1, 1}, conv->groups);
  return all.sum() * (counted_ / positions_);
}

double LayerCost::operand_sharing(int64_t count) const {
  return std::max(1.0, product(in_shape_) / static_cast<double>(count) * counted_ / positions_);
}

double LayerCost::weight_sharing(int64_t count) const {
  return std::max(1.0, weights_ / static_cast<double>(count) * counted_);
}

}  // namespace quantbench::hgq
