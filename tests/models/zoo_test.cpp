#include <gtest/gtest.h>

#include "models/model.h"
#include "models/network.h"
#include "tests/models/zoo_inputs.h"

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
  EXPECT_EQ(parameter_count("resnet34", {{3, 224, 224}, 1000}), 21797672);
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

int64_t mac_count(const std::string& model, int64_t size,
                  const std::map<std::string, std::string>& options = {}) {
  int64_t count = 0;
  for (int64_t macs : count_macs(build_model(model, {{3, size, size}, 1000}, options)))
    count += macs;
  return count;
}

TEST(Zoo, TheJetTaggerStartsAsKerasWould) {
  const Network network(build_model("mlp_jet", {{16}, 5}), RandomStream(1, "init"));
  for (const auto& [name, value] : network.state()) {
    if (value.dim() == 1) {
      EXPECT_EQ(value.abs().max().item<double>(), 0) << name;
      continue;
    }
    const double bound = std::sqrt(6.0 / static_cast<double>(value.size(0) + value.size(1)));
    EXPECT_LE(value.abs().max().item<double>(), bound) << name;
    EXPECT_GT(value.abs().max().item<double>(), 0.9 * bound) << name;
  }
}

TEST(Zoo, ImageNetModelsHaveThePublishedNumberOfParameters) {
  const ModelInput images{{3, 224, 224}, 1000};
  // torchvision's tables; Inception-V3's 27,161,264 without the 3,326,696 of its auxiliary
  // classifier.
  EXPECT_EQ(parameter_count("squeezenet1_1", images), 1235496);
  EXPECT_EQ(parameter_count("mobilenet_v2", images), 3504872);
  EXPECT_EQ(parameter_count("inception_v3", {{3, 299, 299}, 1000}), 27161264 - 3326696);
  // Keras's: 4,253,864, of which 21,888 are BatchNorm's statistics.
  EXPECT_EQ(parameter_count("mobilenet_v1", images), 4253864 - 21888);
  // pytorchcv's table.
  EXPECT_EQ(parameter_count("squeezenext", images), 921816);
  EXPECT_EQ(parameter_count("squeezenext", images, {{"variant", "23"}}), 724056);
  EXPECT_EQ(parameter_count("squeezenext", images, {{"variant", "23"}, {"width", "2"}}), 2583752);
  // Dossier of Quantization Networks: quantized weights and the rest.
  EXPECT_EQ(parameter_count("alexnet_bn", images), 58236928 + 4160552);
}

TEST(Zoo, ImageNetModelsHaveThePublishedNumberOfMacs) {
  constexpr double million = 1e6;
  // torchvision's documentation, in thousand millions with three digits.
  EXPECT_NEAR(mac_count("resnet18", 224) / million, 1814, 0.5);
  EXPECT_NEAR(mac_count("resnet34", 224) / million, 3664, 0.5);
  EXPECT_NEAR(mac_count("resnet50", 224) / million, 4089, 0.5);
  EXPECT_NEAR(mac_count("squeezenet1_1", 224) / million, 349, 0.5);
  EXPECT_NEAR(mac_count("mobilenet_v2", 224) / million, 301, 0.5);
  EXPECT_NEAR(mac_count("inception_v3", 299) / million, 5713, 0.5);
  // Tables 6 and 7 of the paper.
  EXPECT_NEAR(mac_count("mobilenet_v1", 224) / million, 569, 0.5);
  EXPECT_NEAR(mac_count("mobilenet_v1", 224, {{"width", "0.75"}}) / million, 325, 0.5);
}

TEST(Zoo, EveryModelRunsForwardAndBackward) {
  for (const std::string& name : models().names()) {
    const bool graphs = models().get(name).graphs;
    const std::vector<int64_t> shape = small_input(name);
    std::vector<int64_t> sizes{graphs ? 12 : 2};
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    Batch batch;
    batch.input = torch::randn(sizes);
    if (graphs)
      batch.topology =
          std::make_shared<Topology>(12, torch::randint(0, 12, {40}), torch::randint(0, 12, {40}));
    Network network(build_model(name, {shape, 5}));

    const Tensor logits = network.forward(batch);
    logits.sum().backward();

    EXPECT_EQ(logits.size(1), 5) << name;
    for (const auto& item : network.named_parameters())
      EXPECT_TRUE(item.value().grad().defined()) << name << " " << item.key();
  }
}

}  // namespace
}  // namespace quantbench
