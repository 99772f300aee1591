// LeNet-5 in the form of the quantization papers: Caffe's 20C5-MP2-50C5-MP2-500FC-10, or, by its
// options, 32C5-MP2-64C5-MP2-512FC-10 (Louizos et al. 2019).
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

Graph lenet5(const ModelInput& input, const OptionValues& options) {
  const int64_t first = options.integer("channels1"), second = options.integer("channels2");
  const int64_t features = options.integer("features");
  GraphBuilder g("lenet5", input.shape, input.class_count);
  int x = g.input();
  x = g.conv("conv1", x, first, 5, {1, 0, 1, true});
  x = g.max_pool("pool1", g.relu("relu1", x), 2, 2);
  x = g.conv("conv2", x, second, 5, {1, 0, 1, true});
  x = g.max_pool("pool2", g.relu("relu2", x), 2, 2);
  x = g.linear("fc1", g.flatten("flatten", x), features);
  g.linear("fc2", g.relu("relu3", x), input.class_count);
  return std::move(g).build();
}

QUANTBENCH_MODEL(lenet5,
                 (ModelEntry{
                     "lenet5",
                     "LeNet-5, by default with 20 and 50 channels",
                     "LeCun et al. 1998; sizes as in Caffe",
                     false,
                     {Option::integer("channels1", 20, 1, 4096, "of the first convolution"),
                      Option::integer("channels2", 50, 1, 4096, "of the second one"),
                      Option::integer("features", 500, 1, 65536, "between the linear layers")},
                     lenet5}));

}  // namespace
}  // namespace quantbench
