// VGG-7, or VGG-small: 2x128C3-MP2-2x256C3-MP2-2x512C3-MP2-1024FC-10, batch-normalised.
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

Graph vgg7(const ModelInput& input, const OptionValues& options) {
  GraphBuilder g("vgg7", input.shape, input.class_count);
  int x = g.input();
  int layer = 0;
  auto activate = [&](int y) {
    const std::string id = std::to_string(layer);
    return g.relu("relu" + id, g.batch_norm("bn" + id, y));
  };
  for (int64_t width : {128, 256, 512}) {
    for (int repeat = 0; repeat < 2; ++repeat) {
      const std::string id = std::to_string(++layer);
      x = activate(g.conv("conv" + id, x, width, 3, {1, 1, 1, false}));
    }
    x = g.max_pool("pool" + std::to_string(layer / 2), x, 2, 2);
  }
  ++layer;
  x = activate(g.linear("fc1", g.flatten("flatten", x), options.integer("hidden"), false));
  g.linear("fc2", x, input.class_count);
  return std::move(g).build();
}

}  // namespace

QUANTBENCH_MODEL(vgg7, (ModelEntry{"vgg7",
                                   "VGG-small: six convolutions, two fully connected layers",
                                   "Simonyan & Zisserman 2015; sizes as in TWN (Li et al. 2016)",
                                   false,
                                   {Option::integer("hidden", 1024, 8, 65536,
                                                    "features of the hidden layer")},
                                   vgg7}));

}  // namespace quantbench
