// ResNets for 32x32 images with parameter-free option-A shortcuts (He et al. 2016, section 4.2):
// 6n+2 layers, n = 3, 5, 9 for ResNet-20, -32, -56.
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

int basic_block(GraphBuilder& g, const std::string& name, int x, int64_t width, int64_t stride) {
  g.block(name);
  int y = g.conv(name + ".conv1", x, width, 3, {stride, 1, 1, false});
  y = g.relu(name + ".relu1", g.batch_norm(name + ".bn1", y));
  y = g.conv(name + ".conv2", y, width, 3, {1, 1, 1, false});
  y = g.batch_norm(name + ".bn2", y);
  const bool same = stride == 1 && g.size(x, 0) == width;
  const int shortcut = same ? x : g.pad_shortcut(name + ".shortcut", x, width, stride);
  return g.relu(name + ".relu2", g.add(name + ".add", y, shortcut));
}

Graph resnet(const std::string& name, int blocks, const ModelInput& input) {
  GraphBuilder g(name, input.shape, input.class_count);
  g.block("stem");
  int x = g.conv("conv1", g.input(), 16, 3, {1, 1, 1, false});
  x = g.relu("relu1", g.batch_norm("bn1", x));
  for (int stage = 1; stage <= 3; ++stage)
    for (int i = 0; i < blocks; ++i)
      x = basic_block(g, "layer" + std::to_string(stage) + "." + std::to_string(i), x,
                      16 << (stage - 1), stage > 1 && i == 0 ? 2 : 1);
  g.block("head");
  g.linear("linear", g.global_avg_pool("pool", x), input.class_count);
  return std::move(g).build();
}

ModelEntry entry(const std::string& name, int blocks) {
  return {
      name,
      "ResNet for CIFAR with option-A shortcuts",
      "He et al. 2016",
      false,
      {},
      [=](const ModelInput& input, const OptionValues&) { return resnet(name, blocks, input); }};
}

}  // namespace

QUANTBENCH_MODEL(resnet20, entry("resnet20", 3));
QUANTBENCH_MODEL(resnet32, entry("resnet32", 5));
QUANTBENCH_MODEL(resnet56, entry("resnet56", 9));

}  // namespace quantbench
