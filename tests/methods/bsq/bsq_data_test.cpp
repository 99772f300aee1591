// A converted network, before any training, on real images.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "methods/bsq/bsq.h"
#include "models/model.h"
#include "models/weight_file.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kImages = 2000, kPixels = 3 * 32 * 32;

TEST(PublicResNet20, KeepsItsAccuracyInEightBits) {
  const char* root = std::getenv("QUANTBENCH_DATA");
  if (root == nullptr) GTEST_SKIP() << "QUANTBENCH_DATA is not set.";
  const fs::path weights = fs::path(root) / "weights/resnet20_cifar10.safetensors";
  const fs::path images = fs::path(root) / "cifar-10-batches-bin/test_batch.bin";
  if (!fs::exists(weights) || !fs::exists(images)) GTEST_SKIP() << "No CIFAR-10 or weights.";
  Network network(build_model("resnet20", {{3, 32, 32}, 10}));
  load_weights(network, read_weight_file(weights), weights.string());
  network.eval();
  const std::string bytes = read_file(images);
  const Tensor records =
      torch::from_blob(const_cast<char*>(bytes.data()), {kImages, 1 + kPixels}, torch::kUInt8);
  const Tensor mean = torch::tensor({0.485f, 0.456f, 0.406f}).view({1, 3, 1, 1});
  const Tensor deviation = torch::tensor({0.229f, 0.224f, 0.225f}).view({1, 3, 1, 1});
  Batch batch;
  batch.target = records.select(1, 0).to(torch::kLong);
  batch.input = (records.slice(1, 1).reshape({kImages, 3, 32, 32}).to(torch::kFloat) / 255 - mean) /
                deviation;
  const torch::NoGradGuard no_grad;
  const auto top1 = [&] {
    return network.forward(batch)
        .argmax(1)
        .eq(batch.target)
        .to(torch::kFloat64)
        .mean()
        .item<double>();
  };
  const double before = top1();

  Bsq method(OptionValues("method bsq", bsq_card().options, {{"activation_bits", "32"}}));
  const std::vector<Batch> none;
  MethodContext context{network, none, RandomStream(1, "method"), {}, [](const std::string&) {}};
  method.plan(context);
  method.attach(network);
  network.eval();

  EXPECT_GE(before, 0.9);
  EXPECT_NEAR(top1(), before, 1e-3 + 1e-9) << "within 0.1 point";
}

}  // namespace
}  // namespace quantbench
