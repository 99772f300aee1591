// The public ResNet-20 on real images against reference numbers computed independently: the first
// 256 images of the fifth CIFAR-10 training file, ImageNet's mean and deviation, no augmentation.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "methods/common/exact_trace.h"
#include "models/model.h"
#include "models/weight_file.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

struct Reference {
  const char* site;
  double eigenvalue, trace, error;  // error: standard error of 48 samples; 0: closed form
};

const std::vector<Reference> kReference{
    {"conv1.weight", 0.759, 1.98, 0.17},           {"layer1.0.conv1.weight", 1.397, 3.17, 0.25},
    {"layer1.0.conv2.weight", 1.267, 3.39, 0.27},  {"layer1.1.conv1.weight", 2.728, 6.49, 0.52},
    {"layer1.1.conv2.weight", 1.136, 3.27, 0.32},  {"layer1.2.conv1.weight", 4.124, 12.11, 1.35},
    {"layer1.2.conv2.weight", 1.325, 4.03, 0.29},  {"layer2.0.conv1.weight", 3.527, 11.14, 0.93},
    {"layer2.0.conv2.weight", 2.555, 8.28, 0.66},  {"layer2.1.conv1.weight", 2.930, 12.01, 1.33},
    {"layer2.1.conv2.weight", 0.996, 4.00, 0.31},  {"layer2.2.conv1.weight", 3.820, 9.58, 0.58},
    {"layer2.2.conv2.weight", 1.420, 4.27, 0.31},  {"layer3.0.conv1.weight", 4.063, 12.83, 1.02},
    {"layer3.0.conv2.weight", 5.680, 18.08, 1.66}, {"layer3.1.conv1.weight", 6.148, 16.56, 1.23},
    {"layer3.1.conv2.weight", 5.756, 15.76, 1.06}, {"layer3.2.conv1.weight", 9.789, 23.42, 1.78},
    {"layer3.2.conv2.weight", 1.582, 3.75, 0.45},  {"linear.weight", 0.209, 0.52485, 0}};

constexpr int64_t kImages = 256, kPixels = 3 * 32 * 32;

class PublicResNet20 : public testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("QUANTBENCH_DATA");
    if (root == nullptr) GTEST_SKIP() << "QUANTBENCH_DATA is not set.";
    const fs::path weights = fs::path(root) / "weights/resnet20_cifar10.safetensors";
    const fs::path images = fs::path(root) / "cifar-10-batches-bin/data_batch_5.bin";
    if (!fs::exists(weights) || !fs::exists(images)) GTEST_SKIP() << "No CIFAR-10 or weights.";
    load_weights(network_, read_weight_file(weights), weights.string());
    network_.eval();

    const std::string bytes = read_file(images);
    Tensor records =
        torch::from_blob(const_cast<char*>(bytes.data()), {kImages, 1 + kPixels}, torch::kUInt8)
            .clone();
    batches_.resize(1);
    batches_[0].target = records.select(1, 0).to(torch::kLong);
    const Tensor mean = torch::tensor({0.485f, 0.456f, 0.406f}).view({1, 3, 1, 1});
    const Tensor deviation = torch::tensor({0.229f, 0.224f, 0.225f}).view({1, 3, 1, 1});
    batches_[0].input =
        (records.slice(1, 1).reshape({kImages, 3, 32, 32}).to(torch::kFloat) / 255 - mean) /
        deviation;
  }

  Tensor loss(const Batch& batch) {
    return torch::cross_entropy_loss(network_.forward(batch), batch.target);
  }

  Network network_{build_model("resnet20", {{3, 32, 32}, 10})};
  std::vector<Batch> batches_;
};

TEST_F(PublicResNet20, HasTheReferenceTraces) {
  const auto sites = weight_sites(network_.graph());
  ASSERT_EQ(sites.size(), kReference.size());
  EXPECT_NEAR(loss(batches_[0]).item<double>(), 0.00732, 0.00001);

  const auto traces = exact_traces(network_, batches_, sites, RandomStream(1, "t"));

  for (size_t i = 0; i < sites.size(); ++i) {
    EXPECT_EQ(sites[i].name, kReference[i].site);
    // Twenty layers: three standard errors.
    const double bar = std::max(3 * kReference[i].error, 1e-4 * kReference[i].trace);
    EXPECT_NEAR(traces[i].trace, kReference[i].trace, bar) << sites[i].name;
  }
}

TEST_F(PublicResNet20, HasTheReferenceEigenvalues) {
  // The last stage only: products with early layers cost twenty times as much.
  std::vector<Tensor> weights;
  std::vector<Reference> expected(kReference.end() - 4, kReference.end());
  for (const Reference& reference : expected) {
    std::string node = reference.site;
    node = node.substr(0, node.rfind('.'));
    weights.push_back(network_.parameter(network_.graph().index_of(node), "weight"));
  }
  const BlockHessian hessian([this](const Batch& b) { return loss(b); }, batches_, weights);

  for (size_t i = 0; i < weights.size(); ++i)
    EXPECT_NEAR(hessian.top_eigenvalue(i, RandomStream(3, "v")).largest, expected[i].eigenvalue,
                0.01 * expected[i].eigenvalue)
        << expected[i].site;
}

}  // namespace
}  // namespace quantbench
