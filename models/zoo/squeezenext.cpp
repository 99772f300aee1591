// SqueezeNext for ImageNet (Gholami et al. 2018): 23 layers, and the fifth variant of its blocks'
// distribution, with pytorchcv's names and its 7x7 stem.
#include <array>

#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

using Padding = std::array<int64_t, 4>;

// Convolution with bias, BatchNorm, ReLU.
int layer(GraphBuilder& g, const std::string& name, int x, int64_t out, Kernel kernel,
          int64_t stride, Padding padding) {
  const op::Conv2d conv{
      g.size(x, 0), out, {kernel.height, kernel.width}, {stride, stride}, padding, 1, true};
  x = g.node(name + ".conv", conv, {x});
  return g.relu(name + ".activ", g.batch_norm(name + ".bn", x));
}

// Two squeezes, a separated 3x3 convolution, an expansion; a projection where shapes change.
int unit(GraphBuilder& g, const std::string& name, int x, int64_t out, int64_t stride) {
  g.block(name);
  const int64_t in = g.size(x, 0);
  const bool resized = stride == 2 || in > out;
  const int64_t inner = in / (stride == 2 ? 1 : in > out ? 4 : 2);
  const auto at = [&](const char* part) { return name + "." + part; };
  const int identity = resized ? layer(g, at("identity_conv"), x, out, 1, stride, {0, 0, 0, 0}) : x;
  x = layer(g, at("conv1"), x, inner, 1, stride, {0, 0, 0, 0});
  x = layer(g, at("conv2"), x, inner / 2, 1, 1, {0, 0, 0, 0});
  x = layer(g, at("conv3"), x, inner, {1, 3}, 1, {0, 1, 0, 1});
  x = layer(g, at("conv4"), x, inner, {3, 1}, 1, {1, 0, 1, 0});
  x = layer(g, at("conv5"), x, out, 1, 1, {0, 0, 0, 0});
  return g.relu(at("activ"), g.add(at("add"), x, identity));
}

Graph squeezenext(const ModelInput& input, const OptionValues& options) {
  const double width = options.real("width");
  const auto channels = [&](int64_t count) {
    return static_cast<int64_t>(static_cast<double>(count) * width);
  };
  const bool fifth = options.text("variant") == "23v5";
  const std::array<int, 4> depths = fifth ? std::array{2, 4, 14, 1} : std::array{6, 6, 8, 1};
  GraphBuilder g("squeezenext", input.shape, input.class_count);
  g.block("stem");
  int x = layer(g, "features.init_block.conv", g.input(), channels(64), 7, 2, {1, 1, 1, 1});
  x = g.node("features.init_block.pool", op::MaxPool{3, 2, 0, /*ceil=*/true}, {x});
  for (size_t stage = 0; stage < depths.size(); ++stage)
    for (int i = 0; i < depths[stage]; ++i)
      x = unit(g, "features.stage" + std::to_string(stage + 1) + ".unit" + std::to_string(i + 1), x,
               channels(int64_t{32} << stage), stage > 0 && i == 0 ? 2 : 1);
  g.block("head");
  x = layer(g, "features.final_block", x, channels(128), 1, 1, {0, 0, 0, 0});
  g.linear("output", g.global_avg_pool("features.final_pool", x), input.class_count);
  return std::move(g).build();
}

QUANTBENCH_MODEL(squeezenext,
                 (ModelEntry{"squeezenext",
                             "SqueezeNext for ImageNet, 1.0-SqNxt-23v5 by default, pytorchcv's "
                             "names",
                             "Gholami et al. 2018",
                             false,
                             {Option::choice("variant", "23v5", {"23v5", "23"},
                                             "how many blocks each stage has"),
                              Option::real("width", 1, 0.25, 4, "width multiplier")},
                             squeezenext}));

}  // namespace
}  // namespace quantbench
