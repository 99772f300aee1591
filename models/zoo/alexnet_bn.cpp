// AlexNet with BatchNorm as Quantization Networks trains it (Yang et al. 2019, table 1): one group
// everywhere, BatchNorm behind every layer but the last.
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

constexpr double kEps = 1e-3, kDrop = 0.1;

// Layers numbered as in PyTorch's Sequential.
struct Sequence {
  GraphBuilder& g;
  std::string name;
  int x, next = 0;

  std::string id() { return name + "." + std::to_string(next++); }
  void activate() {
    const std::string bn = id();
    x = g.relu(id(), g.batch_norm(bn, x, kEps));
  }
};

Graph alexnet_bn(const ModelInput& input, const OptionValues&) {
  GraphBuilder g("alexnet_bn", input.shape, input.class_count);
  Sequence features{g, "features", g.input()};
  int layers = 0;
  const auto conv = [&](int64_t out, int64_t kernel, int64_t stride, int64_t padding, bool pool) {
    g.block("conv" + std::to_string(++layers));
    features.x = g.conv(features.id(), features.x, out, kernel, {stride, padding, 1, true});
    features.activate();
    if (pool) features.x = g.max_pool(features.id(), features.x, 3, 2);
  };
  conv(96, 11, 4, 2, true);
  conv(256, 5, 1, 2, true);
  conv(384, 3, 1, 1, false);
  conv(384, 3, 1, 1, false);
  conv(256, 3, 1, 1, true);
  Sequence classifier{g, "classifier", g.flatten("flatten", features.x)};
  g.block("head");
  for (int layer = 0; layer < 2; ++layer) {
    classifier.x = g.dropout(classifier.id(), classifier.x, kDrop);
    classifier.x = g.linear(classifier.id(), classifier.x, 4096);
    classifier.activate();
  }
  g.linear(classifier.id(), classifier.x, input.class_count);
  return std::move(g).build();
}

QUANTBENCH_MODEL(alexnet_bn, (ModelEntry{"alexnet_bn",
                                         "AlexNet with BatchNorm for ImageNet, without groups",
                                         "Krizhevsky et al. 2012; Yang et al. 2019",
                                         false,
                                         {},
                                         alexnet_bn}));

}  // namespace
}  // namespace quantbench
