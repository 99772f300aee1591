// ResNet-18, ResNet-34 and ResNet-50 for ImageNet (He et al. 2016, table 1) with torchvision's
// names, and its stride on the 3x3 convolution of a bottleneck.
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

int shortcut(GraphBuilder& g, const std::string& name, int x, int64_t width, int64_t stride) {
  if (stride == 1 && g.size(x, 0) == width) return x;
  x = g.conv(name + ".downsample.0", x, width, 1, {stride, 0});
  return g.batch_norm(name + ".downsample.1", x);
}

int basic_block(GraphBuilder& g, const std::string& name, int x, int64_t width, int64_t stride) {
  g.block(name);
  int y = g.conv(name + ".conv1", x, width, 3, {stride, 1});
  y = g.relu(name + ".relu1", g.batch_norm(name + ".bn1", y));
  y = g.batch_norm(name + ".bn2", g.conv(name + ".conv2", y, width, 3, {1, 1}));
  return g.relu(name + ".relu2", g.add(name + ".add", y, shortcut(g, name, x, width, stride)));
}

int bottleneck(GraphBuilder& g, const std::string& name, int x, int64_t width, int64_t stride) {
  g.block(name);
  int y =
      g.relu(name + ".relu1", g.batch_norm(name + ".bn1", g.conv(name + ".conv1", x, width, 1)));
  y = g.conv(name + ".conv2", y, width, 3, {stride, 1});
  y = g.relu(name + ".relu2", g.batch_norm(name + ".bn2", y));
  y = g.batch_norm(name + ".bn3", g.conv(name + ".conv3", y, 4 * width, 1));
  return g.relu(name + ".relu3", g.add(name + ".add", y, shortcut(g, name, x, 4 * width, stride)));
}

using Block = int (*)(GraphBuilder&, const std::string&, int, int64_t, int64_t);

Graph resnet(const std::string& name, Block block, const std::vector<int>& depths,
             const ModelInput& input) {
  GraphBuilder g(name, input.shape, input.class_count);
  g.block("stem");
  int x = g.conv("conv1", g.input(), 64, 7, {2, 3});
  x = g.relu("relu", g.batch_norm("bn1", x));
  x = g.node("maxpool", op::MaxPool{3, 2, 1}, {x});
  for (size_t stage = 0; stage < depths.size(); ++stage)
    for (int i = 0; i < depths[stage]; ++i)
      x = block(g, "layer" + std::to_string(stage + 1) + "." + std::to_string(i), x,
                int64_t{64} << stage, stage > 0 && i == 0 ? 2 : 1);
  g.block("head");
  g.linear("fc", g.global_avg_pool("avgpool", x), input.class_count);
  return std::move(g).build();
}

ModelEntry entry(const std::string& name, Block block, std::vector<int> depths) {
  return {name,
          "ResNet for ImageNet, torchvision's names",
          "He et al. 2016",
          false,
          {},
          [=](const ModelInput& input, const OptionValues&) {
            return resnet(name, block, depths, input);
          }};
}

}  // namespace

QUANTBENCH_MODEL(resnet18, entry("resnet18", basic_block, {2, 2, 2, 2}));
QUANTBENCH_MODEL(resnet34, entry("resnet34", basic_block, {3, 4, 6, 3}));
QUANTBENCH_MODEL(resnet50, entry("resnet50", bottleneck, {3, 4, 6, 3}));

}  // namespace quantbench
