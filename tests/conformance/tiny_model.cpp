// A network with one of everything that quantization meets in an image network: stride, BatchNorm,
// an identity shortcut, pooling, a linear head; small enough for a suite over every method.
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

Graph tiny(const ModelInput& input, const OptionValues&) {
  GraphBuilder g("tiny", input.shape, input.class_count);
  int x = g.conv("conv1", g.input(), 12, 3, {1, 1, 1, false});
  x = g.relu("relu1", g.batch_norm("bn1", x));
  int y = g.conv("conv2", x, 12, 3, {1, 1, 1, false});
  y = g.relu("relu2", g.batch_norm("bn2", y));
  y = g.batch_norm("bn3", g.conv("conv3", y, 12, 3, {1, 1, 1, false}));
  x = g.max_pool("pool1", g.relu("relu3", g.add("add", x, y)), 2, 2);
  x = g.relu("relu4", g.batch_norm("bn4", g.conv("conv4", x, 24, 3, {2, 1, 1, false})));
  g.linear("fc", g.global_avg_pool("pool2", x), input.class_count);
  return std::move(g).build();
}

}  // namespace

QUANTBENCH_MODEL(tiny, (ModelEntry{
                           "conformance_tiny", "for the conformance suite", "", false, {}, tiny}));

}  // namespace quantbench
