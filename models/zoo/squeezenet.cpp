// SqueezeNet 1.1 (Iandola et al. 2016, release 1.1) with torchvision's names.
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

// Channels shrink to `squeeze`, then grow in two branches of `expand` each.
int fire(GraphBuilder& g, const std::string& name, int x, int64_t squeeze, int64_t expand) {
  g.block(name);
  ConvOptions plain, padded;
  plain.bias = padded.bias = true;
  padded.padding = 1;
  x = g.relu(name + ".squeeze_activation", g.conv(name + ".squeeze", x, squeeze, 1, plain));
  const int one = g.conv(name + ".expand1x1", x, expand, 1, plain);
  const int three = g.conv(name + ".expand3x3", x, expand, 3, padded);
  return g.concat(name + ".cat", {g.relu(name + ".expand1x1_activation", one),
                                  g.relu(name + ".expand3x3_activation", three)});
}

Graph squeezenet(const ModelInput& input, const OptionValues&) {
  GraphBuilder g("squeezenet1_1", input.shape, input.class_count);
  const auto pool = [&](const std::string& name, int x) {
    return g.node(name, op::MaxPool{3, 2, 0, /*ceil=*/true}, {x});
  };
  g.block("stem");
  int x = g.relu("features.1", g.conv("features.0", g.input(), 64, 3, {2, 0, 1, true}));
  x = pool("features.2", x);
  x = fire(g, "features.3", x, 16, 64);
  x = fire(g, "features.4", x, 16, 64);
  x = pool("features.5", x);
  x = fire(g, "features.6", x, 32, 128);
  x = fire(g, "features.7", x, 32, 128);
  x = pool("features.8", x);
  x = fire(g, "features.9", x, 48, 192);
  x = fire(g, "features.10", x, 48, 192);
  x = fire(g, "features.11", x, 64, 256);
  x = fire(g, "features.12", x, 64, 256);
  g.block("head");
  x = g.conv("classifier.1", g.dropout("classifier.0", x, 0.5), input.class_count, 1,
             {1, 0, 1, true});
  g.global_avg_pool("classifier.3", g.relu("classifier.2", x));
  return std::move(g).build();
}

QUANTBENCH_MODEL(squeezenet1_1, (ModelEntry{"squeezenet1_1",
                                            "SqueezeNet 1.1 for ImageNet, torchvision's names",
                                            "Iandola et al. 2016",
                                            false,
                                            {},
                                            squeezenet}));

}  // namespace
}  // namespace quantbench
