// Packages of whole networks whose ranges fit what flows through them.
#pragma once

#include "methods/site.h"
#include "models/network.h"
#include "runtime/package.h"
#include "tests/runtime/pattern_batch.h"

namespace quantbench {

inline UniformFormat plain_format(double scale, int64_t bits, bool is_signed) {
  UniformFormat format;
  format.scale = torch::full({1}, scale, torch::kFloat);
  format.zero_point = torch::zeros({1}, torch::kInt);
  format.bits = torch::full({1}, bits, torch::kByte);
  format.is_signed = is_signed;
  return format;
}

// Weights per channel and the operands of products per tensor, by their greatest numbers on a fixed
// batch; Message and EdgeNorm, too.
inline Package quantized_package(const Graph& graph, int64_t weight_bits, int64_t activation_bits) {
  const torch::NoGradGuard no_grad;
  Network network(graph);
  network.eval();
  Package package;
  package.graph = graph;
  for (const auto& [name, tensor] : network.state()) package.parameters[name] = tensor.clone();
  for (const Site& site : weight_sites(graph)) {
    const Tensor weight = network.parameter(site.point.node, "weight");
    UniformFormat format = plain_format(1, weight_bits, true);
    format.granularity = Granularity::Channel;
    format.scale = weight.abs().flatten(1).amax(1) / ((1 << (weight_bits - 1)) - 0.5);
    format.zero_point = torch::zeros({weight.size(0)}, torch::kInt);
    package.weights[site.point] = UniformEncoding{format, quantize(format, weight)};
    package.parameters.erase(graph.nodes[static_cast<size_t>(site.point.node)].scope + ".weight");
  }
  std::vector<Point> points;
  bool graphs = false;
  for (const Site& site : operand_sites(graph)) points.push_back(site.point);
  for (const Site& site : all_sites(graph))
    if (site.point.kind == PointKind::Message || site.point.kind == PointKind::EdgeNorm ||
        site.point.kind == PointKind::AttentionLogit) {
      points.push_back(site.point);
      graphs = true;
    }
  network.observe(pattern_batch(graph.input_shape, graphs ? 40 : 4, graphs), points,
                  [&](const Point& point, const Tensor& x, const TapContext&) {
                    const bool is_signed = x.min().item<float>() < 0;
                    const double levels = std::exp2(activation_bits - (is_signed ? 1 : 0)) - 1;
                    const double largest = std::max(x.abs().max().item<double>(), 1e-3);
                    package.activations[point] =
                        plain_format(largest / levels, activation_bits, is_signed);
                  });
  return package;
}

}  // namespace quantbench
