// Small networks, formats and packages for the tests of this folder.
#pragma once

#include <map>
#include <string>

#include "models/builder.h"
#include "models/network.h"
#include "runtime/package.h"
#include "tests/base/support.h"

namespace quantbench {

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline UniformFormat uniform_format(std::vector<float> scale, std::vector<int32_t> zero_point,
                                    int64_t bits, bool is_signed = true) {
  UniformFormat format;
  format.granularity = scale.size() == 1 ? Granularity::Tensor : Granularity::Channel;
  format.scale = torch::tensor(scale, torch::kFloat);
  format.zero_point = torch::tensor(zero_point, torch::kInt);
  format.bits = torch::full({1}, bits, torch::kByte);
  format.is_signed = is_signed;
  return format;
}

// Codes that fill the whole range of a format.
inline Tensor random_codes(const UniformFormat& format, torch::IntArrayRef shape) {
  const Tensor low = lowest_code(format).to(torch::kDouble);
  const Tensor high = highest_code(format).to(torch::kDouble);
  std::vector<int64_t> row(shape.size(), 1);
  if (low.numel() == shape[0]) row[0] = shape[0];
  const auto spread = [&](const Tensor& t) {
    return t.numel() == 1 ? t : t.dim() == 1 ? t.view(row) : t;
  };
  const Tensor span = spread(high - low) + 1;
  return (spread(low) + torch::floor(torch::rand(shape, torch::kDouble) * span)).to(torch::kInt);
}

inline UniformEncoding random_encoding(const UniformFormat& format, torch::IntArrayRef shape) {
  return {format, random_codes(format, shape)};
}

// The network's own parameters, as a package holds them.
inline std::map<std::string, Tensor> plain_parameters(const Network& network) {
  std::map<std::string, Tensor> parameters;
  for (const auto& [name, tensor] : network.state()) parameters[name] = tensor.detach().clone();
  return parameters;
}

// conv -> bn -> relu -> max-pool -> flatten -> linear, [2, 8, 8] -> 3 classes.
inline Graph small_graph() {
  GraphBuilder g("small", {2, 8, 8}, 3);
  int x = g.conv("conv", g.input(), 4, 3, {1, 1, 1, true});
  x = g.relu("relu", g.batch_norm("bn", x));
  x = g.flatten("flatten", g.max_pool("pool", x, 2, 2));
  g.linear("linear", x, 3);
  return std::move(g).build();
}

inline void encode(Package& package, const std::string& node, PointKind kind, Encoding encoding) {
  const int index = package.graph.index_of(node);
  package.parameters.erase(package.graph.nodes[static_cast<size_t>(index)].scope + "." +
                           name_of(kind));
  package.weights[{index, kind}] = std::move(encoding);
}

// small_graph() with 4-bit weights and 8-bit operands; every parameter drawn from `seed`.
inline Package small_package(uint64_t seed = 1) {
  torch::manual_seed(seed);
  const Network network(small_graph());
  Package package;
  package.graph = network.graph();
  package.parameters = plain_parameters(network);
  package.parameters["bn.running_mean"] = torch::randn({4});
  package.parameters["bn.running_var"] = torch::rand({4}) + 0.5;
  UniformFormat per_channel = uniform_format({0.1f, 0.05f, 0.2f, 0.07f}, {0, 0, 0, 0}, 4);
  per_channel.narrow = true;
  encode(package, "conv", PointKind::Weight, random_encoding(per_channel, {4, 2, 3, 3}));
  encode(package, "linear", PointKind::Weight,
         random_encoding(uniform_format({0.03f}, {0}, 4), {3, 64}));
  package.activations[{0, PointKind::Output}] = uniform_format({0.02f}, {0}, 8);
  package.activations[{package.graph.index_of("relu"), PointKind::Output}] =
      uniform_format({0.01f}, {0}, 8, false);
  package.notes = {{"method", "uniform"}, {"recipe", "0123"}};
  return package;
}

inline Batch image_batch(int64_t count, torch::IntArrayRef shape, uint64_t seed = 2) {
  torch::manual_seed(seed);
  std::vector<int64_t> sizes{count};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  Batch batch;
  batch.input = torch::randn(sizes);
  return batch;
}

}  // namespace quantbench
