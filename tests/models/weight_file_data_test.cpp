// The published CIFAR ResNets, in both of their formats.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "models/model.h"
#include "models/weight_file.h"

namespace quantbench {
namespace {

struct Published {
  const char *model, *legacy, *safetensors;
};

class PublishedWeights : public ::testing::TestWithParam<Published> {
 protected:
  void SetUp() override {
    const char* root = std::getenv("QUANTBENCH_DATA");
    const std::filesystem::path folder = std::filesystem::path(root ? root : "data") / "weights";
    legacy_ = folder / GetParam().legacy;
    safetensors_ = folder / GetParam().safetensors;
    if (!std::filesystem::exists(legacy_) || !std::filesystem::exists(safetensors_))
      GTEST_SKIP() << "The published weights of " << GetParam().model << " are not in "
                   << folder.string() << ".";
  }

  std::filesystem::path legacy_, safetensors_;
};

TEST_P(PublishedWeights, AreTheSameInBothFormats) {
  const auto old = read_weight_file(legacy_);
  const auto current = read_weight_file(safetensors_);

  ASSERT_FALSE(current.empty());
  for (const auto& [name, tensor] : current)
    EXPECT_TRUE(old.count(name) && torch::equal(old.at(name), tensor)) << name;
  for (const auto& [name, tensor] : old)
    EXPECT_TRUE(current.count(name) || name.find("num_batches_tracked") != std::string::npos)
        << name;
}

TEST_P(PublishedWeights, FitTheNetwork) {
  Network network(build_model(GetParam().model, {{3, 32, 32}, 10}));

  EXPECT_NO_THROW(load_weights(network, read_weight_file(legacy_), legacy_.string()));
  EXPECT_NO_THROW(load_weights(network, read_weight_file(safetensors_), safetensors_.string()));
}

INSTANTIATE_TEST_SUITE_P(
    ResNets, PublishedWeights,
    ::testing::Values(Published{"resnet20", "resnet20-12fca82f.th", "resnet20_cifar10.safetensors"},
                      Published{"resnet32", "resnet32-d509ac18.th", "resnet32_cifar10.safetensors"},
                      Published{"resnet56", "resnet56-4bfd9763.th",
                                "resnet56_cifar10.safetensors"}),
    [](const auto& info) { return std::string(info.param.model); });

}  // namespace
}  // namespace quantbench
