// MobileNets for ImageNet. The first (Howard et al. 2017, table 1) keeps TensorFlow's SAME borders
// and Keras's names; the second (Sandler et al. 2018, table 2) has torchvision's.
#include <algorithm>

#include "base/error.h"
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

Option width_option() {
  return Option::real("width", 1, 0.1, 4, "width multiplier of all channels");
}

int activate(GraphBuilder& g, const std::string& name, const std::string& bn, int x, double eps) {
  return g.relu(name + "_relu", g.batch_norm(bn, x, eps), 6);
}

Graph mobilenet_v1(const ModelInput& input, const OptionValues& options) {
  constexpr double kEps = 1e-3;
  const double width = options.real("width");
  const auto channels = [&](int64_t count) {
    return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(count) * width));
  };
  GraphBuilder g("mobilenet_v1", input.shape, input.class_count);
  const auto layer = [&](const std::string& name, int x, int64_t out, int64_t kernel,
                         ConvOptions how) {
    return activate(g, name, name + "_bn", g.conv_same(name, x, out, kernel, how), kEps);
  };
  g.block("stem");
  int x = layer("conv1", g.input(), channels(32), 3, {2});
  constexpr int64_t kOut[] = {64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024};
  for (int i = 1; i <= 13; ++i) {
    const int64_t in = g.size(x, 0), stride = i == 2 || i == 4 || i == 6 || i == 12 ? 2 : 1;
    const std::string id = std::to_string(i);
    g.block("block" + id);
    x = layer("conv_dw_" + id, x, in, 3, {stride, 0, in});
    x = layer("conv_pw_" + id, x, channels(kOut[i - 1]), 1, {});
  }
  g.block("head");
  const int64_t size = g.size(x, 1);
  require(size == g.size(x, 2), "The model mobilenet_v1 takes square images.");
  // The mean comes before the last convolution, which is one of a single pixel.
  x = g.node("global_pool", op::AvgPool{size, size}, {x});
  x = g.conv("conv_preds", x, input.class_count, 1, {1, 0, 1, true});
  g.flatten("logits", x);
  return std::move(g).build();
}

// A multiple of 8 that is at least 90 % of the product.
int64_t scaled(int64_t channels, double width) {
  const double wanted = static_cast<double>(channels) * width;
  const int64_t nearest = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(nearest) < 0.9 * wanted ? nearest + 8 : nearest;
}

// A bottleneck between two narrow, linear ends.
int inverted_residual(GraphBuilder& g, const std::string& name, int x, int64_t out, int64_t stride,
                      int64_t expansion) {
  g.block(name);
  const int64_t in = g.size(x, 0), inner = in * expansion;
  int y = x, part = 0;
  const auto conv_bn_relu = [&](int64_t kernel, ConvOptions how) {
    const std::string at = name + ".conv." + std::to_string(part++);
    y = activate(g, at, at + ".1", g.conv(at + ".0", y, inner, kernel, how), 1e-5);
  };
  if (expansion > 1) conv_bn_relu(1, {});
  conv_bn_relu(3, {stride, 1, inner});
  const std::string narrow = name + ".conv." + std::to_string(part);
  y = g.conv(narrow, y, out, 1);
  y = g.batch_norm(name + ".conv." + std::to_string(part + 1), y);
  return stride == 1 && in == out ? g.add(name + ".add", x, y) : y;
}

Graph mobilenet_v2(const ModelInput& input, const OptionValues& options) {
  const double width = options.real("width");
  GraphBuilder g("mobilenet_v2", input.shape, input.class_count);
  const auto conv_bn_relu = [&](const std::string& name, int x, int64_t out, int64_t kernel,
                                ConvOptions how) {
    return activate(g, name, name + ".1", g.conv(name + ".0", x, out, kernel, how), 1e-5);
  };
  g.block("stem");
  int x = conv_bn_relu("features.0", g.input(), scaled(32, width), 3, {2, 1});
  struct Stage {
    int64_t expansion, channels, repeats, stride;
  };
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  int block = 1;
  for (const Stage& stage : kStages)
    for (int64_t i = 0; i < stage.repeats; ++i)
      x = inverted_residual(g, "features." + std::to_string(block++), x,
                            scaled(stage.channels, width), i == 0 ? stage.stride : 1,
                            stage.expansion);
  g.block("head");
  x = conv_bn_relu("features.18", x, scaled(1280, std::max(1.0, width)), 1, {});
  x = g.dropout("classifier.0", g.global_avg_pool("pool", x), 0.2);
  g.linear("classifier.1", x, input.class_count);
  return std::move(g).build();
}

QUANTBENCH_MODEL(mobilenet_v1,
                 (ModelEntry{"mobilenet_v1",
                             "MobileNet v1 for ImageNet, TensorFlow's borders, Keras's names",
                             "Howard et al. 2017",
                             false,
                             {width_option()},
                             mobilenet_v1}));
QUANTBENCH_MODEL(mobilenet_v2, (ModelEntry{"mobilenet_v2",
                                           "MobileNet v2 for ImageNet, torchvision's names",
                                           "Sandler et al. 2018",
                                           false,
                                           {width_option()},
                                           mobilenet_v2}));

}  // namespace
}  // namespace quantbench
