// LeNet-5 in the form of the quantization papers (Caffe's): 20C5-MP2-50C5-MP2-500FC-10.
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

Graph lenet5(const ModelInput& input, const OptionValues&) {
  GraphBuilder g("lenet5", input.shape, input.class_count);
  int x = g.input();
  x = g.conv("conv1", x, 20, 5, {1, 0, 1, true});
  x = g.max_pool("pool1", g.relu("relu1", x), 2, 2);
  x = g.conv("conv2", x, 50, 5, {1, 0, 1, true});
  x = g.max_pool("pool2", g.relu("relu2", x), 2, 2);
  x = g.linear("fc1", g.flatten("flatten", x), 500);
  g.linear("fc2", g.relu("relu3", x), input.class_count);
  return std::move(g).build();
}

}  // namespace

QUANTBENCH_MODEL(lenet5, (ModelEntry{"lenet5",
                                     "LeNet-5 with 20 and 50 channels",
                                     "LeCun et al. 1998; sizes as in Caffe",
                                     false,
                                     {},
                                     lenet5}));

}  // namespace quantbench
