#include <gtest/gtest.h>

#include "models/model.h"
#include "models/network.h"

namespace quantbench {
namespace {

int64_t parameter_count(const std::string& model, const ModelInput& input,
                        const std::map<std::string, std::string>& options = {}) {
  int64_t count = 0;
  for (const Tensor& p : Network(build_model(model, input, options)).parameters())
    count += p.numel();
  return count;
}

TEST(Zoo, ModelsHaveThePublishedNumberOfParameters) {
  EXPECT_EQ(parameter_count("lenet5", {{1, 28, 28}, 10}), 431080);
  EXPECT_EQ(parameter_count("resnet20", {{3, 32, 32}, 10}), 269722);
  EXPECT_EQ(parameter_count("resnet32", {{3, 32, 32}, 10}), 464154);
  EXPECT_EQ(parameter_count("resnet56", {{3, 32, 32}, 10}), 853018);
  EXPECT_EQ(parameter_count("resnet18", {{3, 224, 224}, 1000}), 11689512);
  EXPECT_EQ(parameter_count("resnet50", {{3, 224, 224}, 1000}), 25557032);
  // Section 7 of HGQ's dossier: 64-32-32 has 4,256 weights, the public script's 32-32-32 2,720.
  EXPECT_EQ(parameter_count("mlp_jet", {{16}, 5}), 4256 + 64 + 32 + 32 + 5);
  EXPECT_EQ(parameter_count("mlp_jet", {{16}, 5}, {{"hidden", "32,32,32"}}), 2720 + 3 * 32 + 5);
  EXPECT_EQ(parameter_count("convnet_svhn", {{3, 32, 32}, 10}), 13724);
  EXPECT_EQ(parameter_count("convnet_mnist", {{1, 28, 28}, 10}), 14410);
  EXPECT_EQ(parameter_count("gcn2", {{1433}, 7}), 23063);
  EXPECT_EQ(parameter_count("gat2", {{1433}, 7}), 92373);
  // Degree-Quant dossier, 3.1 and 4: GIN on REDDIT-BINARY.
  EXPECT_EQ(parameter_count("gin5", {{1}, 2}), 42503);
}

TEST(Zoo, EveryModelRunsForwardAndBackward) {
  for (const std::string& name : models().names()) {
    const bool graphs = models().get(name).graphs;
    const int64_t channels = name == "lenet5" ? 1 : 3, size = name == "lenet5" ? 28 : 32;
    Batch batch;
    batch.input = graphs ? torch::randn({12, 9}) : torch::randn({2, channels, size, size});
    if (graphs)
      batch.topology =
          std::make_shared<Topology>(12, torch::randint(0, 12, {40}), torch::randint(0, 12, {40}));
    Network network(build_model(
        name, {graphs ? std::vector<int64_t>{9} : std::vector<int64_t>{channels, size, size}, 5}));

    const Tensor logits = network.forward(batch);
    logits.sum().backward();

    EXPECT_EQ(logits.size(1), 5) << name;
    for (const auto& item : network.named_parameters())
      EXPECT_TRUE(item.value().grad().defined()) << name << " " << item.key();
  }
}

}  // namespace
}  // namespace quantbench
