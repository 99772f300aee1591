// The networks of HGQ (arXiv 2405.00645), and a small one for MNIST in the manner of its SVHN
// network. The muon tracker is not here: its three inputs, masked maps and regression do not fit a
// graph with one input and classes.
#include <cstdlib>
#include <sstream>

#include "base/error.h"
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

constexpr char kPaper[] = "Sun et al., arXiv 2405.00645";

std::vector<int64_t> sizes(const std::string& text) {
  std::vector<int64_t> out;
  std::stringstream in(text);
  for (std::string item; std::getline(in, item, ',');) {
    char* end = nullptr;
    const long size = std::strtol(item.c_str(), &end, 10);
    require(!item.empty() && *end == '\0' && size >= 1 && size <= 65536,
            "Model mlp_jet: option hidden: '{}' is no list of sizes with commas between.", text);
    out.push_back(size);
  }
  return out;
}

// The paper's jet tagger has hidden layers of 64, 32 and 32, which is the default. (The public
// script keeps the last three of 64, 32, 32, 32; that of version 3 has 64, 64 and 32.) Its
// BatchNorms are folded by the method (hgq.batch_norm), not nodes.
Graph mlp_jet(const ModelInput& input, const OptionValues& options) {
  GraphBuilder g("mlp_jet", input.shape, input.class_count);
  int x = g.input(), layer = 0;
  if (input.shape.size() > 1) x = g.flatten("flatten", x);
  const auto dense = [&](const std::string& name, int from, int64_t size) {
    const int64_t features = g.size(from, 0);
    return g.node(name, op::Linear{features, size, true, /*keras_start=*/true}, {from});
  };
  for (int64_t size : sizes(options.text("hidden"))) {
    const std::string number = std::to_string(++layer);
    x = dense("fc" + number, x, size);
    if (options.flag("batch_norm")) x = g.batch_norm("bn" + number, x, 1e-3);
    x = g.relu("relu" + number, x);
  }
  dense("fc" + std::to_string(layer + 1), x, input.class_count);
  return std::move(g).build();
}

Graph convnet_svhn(const ModelInput& input, const OptionValues&) {
  GraphBuilder g("convnet_svhn", input.shape, input.class_count);
  int x = g.input(), layer = 0;
  for (int64_t channels : {16, 16, 24}) {
    const std::string number = std::to_string(++layer);
    x = g.relu("relu" + number, g.conv("conv" + number, x, channels, 3, {1, 0, 1, true}));
    x = g.max_pool("pool" + number, x, 2, 2);
  }
  x = g.flatten("flatten", x);
  for (int64_t size : {42, 64}) {
    const std::string number = std::to_string(++layer);
    x = g.relu("relu" + number, g.linear("fc" + number, x, size));
  }
  g.linear("fc" + std::to_string(layer + 1), x, input.class_count);
  return std::move(g).build();
}

Graph convnet_mnist(const ModelInput& input, const OptionValues&) {
  GraphBuilder g("convnet_mnist", input.shape, input.class_count);
  int x =
      g.max_pool("pool1", g.relu("relu1", g.conv("conv1", g.input(), 8, 3, {1, 0, 1, true})), 2, 2);
  x = g.max_pool("pool2", g.relu("relu2", g.conv("conv2", x, 16, 3, {1, 0, 1, true})), 2, 2);
  x = g.relu("relu3", g.linear("fc1", g.flatten("flatten", x), 32));
  g.linear("fc2", x, input.class_count);
  return std::move(g).build();
}

ModelEntry jet_entry() {
  return {"mlp_jet",
          "jet tagger, fully connected, for 16 features and 5 classes",
          kPaper,
          false,
          {Option::text("hidden", "64,32,32", "sizes of the hidden layers"),
           Option::flag("batch_norm", false, "BatchNorm behind each hidden layer")},
          mlp_jet,
          true};
}

}  // namespace

QUANTBENCH_MODEL(mlp_jet, jet_entry());
QUANTBENCH_MODEL(convnet_svhn, (ModelEntry{"convnet_svhn",
                                           "16C3-16C3-24C3 with pooling, 42FC-64FC-10",
                                           kPaper,
                                           false,
                                           {},
                                           convnet_svhn}));
QUANTBENCH_MODEL(convnet_mnist, (ModelEntry{"convnet_mnist",
                                            "8C3-MP2-16C3-MP2-32FC-10, for small experiments",
                                            "",
                                            false,
                                            {},
                                            convnet_mnist}));

}  // namespace quantbench
