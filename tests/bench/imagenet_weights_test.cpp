// Public ImageNet weights on 1,000 labelled images give the counts that were measured elsewhere.
#include <gtest/gtest.h>

#include "bench/accuracy.h"
#include "bench/data_source.h"
#include "models/model.h"
#include "models/weight_file.h"

namespace quantbench {
namespace {

constexpr char kImages[] = "imagenet-sample/val";

struct Published {
  const char *model, *weights, *normalization;
  std::map<std::string, std::string> options;
  int64_t correct, correct5;
};

class ImageNetWeights : public testing::TestWithParam<Published> {};

TEST_P(ImageNetWeights, AnswerAsMeasuredElsewhere) {
  const Published& known = GetParam();
  const auto root = data_root("");
  const auto weights = root / "weights" / known.weights;
  if (!std::filesystem::exists(weights) || !std::filesystem::exists(root / kImages))
    GTEST_SKIP() << "The images of imagenet-sample or the weights " << known.weights
                 << " are not in " << root.string() << ".";
  const Recipe recipe = expand({{"model", {known.model}},
                                {"dataset", {"image_folder"}},
                                {"image_folder.path", {kImages}},
                                {"image_folder.test_percent", {"100"}},
                                {"image_folder.resize", {"224"}},
                                {"image_folder.normalization", {known.normalization}}})
                            .at(0);
  const auto dataset = open_dataset(recipe, root);
  ASSERT_EQ(dataset->size(Split::Test), 1000);
  Network network(
      build_model(known.model, {dataset->input_shape(), dataset->class_count()}, known.options));
  load_weights(network, read_weight_file(weights), weights.string());
  network.eval();
  EvaluationConfig config;
  config.batch = 50;

  const Accuracy accuracy =
      measure_accuracy(*dataset, config, [&](const Batch& b) { return network.forward(b); });

  EXPECT_NEAR(static_cast<double>(accuracy.correct), static_cast<double>(known.correct), 2);
  EXPECT_NEAR(static_cast<double>(accuracy.correct5), static_cast<double>(known.correct5), 2);
}

INSTANTIATE_TEST_SUITE_P(
    Networks, ImageNetWeights,
    testing::Values(
        Published{"mobilenet_v1",
                  "mobilenet_v1_075_imagenet.safetensors",
                  "unit",
                  {{"width", "0.75"}},
                  854,
                  965},
        Published{"squeezenet1_1", "squeezenet1_1_imagenet.safetensors", "imagenet", {}, 617, 832}),
    [](const auto& info) { return std::string(info.param.model); });

}  // namespace
}  // namespace quantbench
