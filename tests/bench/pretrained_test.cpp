// The public CIFAR-10 weights give the counts that their source and shared measurements state.
#include <gtest/gtest.h>

#include "bench/accuracy.h"
#include "bench/data_source.h"
#include "bench/recipe.h"
#include "bench/session.h"
#include "models/model.h"
#include "models/weight_file.h"

namespace quantbench {
namespace {

int64_t correct_on_cifar10(const std::string& model) {
  const auto root = data_root("");
  const Recipe recipe = expand({{"model", {model}}, {"dataset", {"cifar10"}}}).at(0);
  const auto dataset = open_dataset(recipe, root);
  Network network(build_model(model, {dataset->input_shape(), dataset->class_count()}));
  load_weights(network, read_weight_file(root / ("weights/" + model + "_cifar10.safetensors")),
               model);
  network.eval();
  torch::set_num_threads(2);
  return measure_accuracy(*dataset, {}, [&](const Batch& b) { return network.forward(b); }).correct;
}

bool here(const std::string& model) {
  return std::filesystem::exists(data_root("") / ("weights/" + model + "_cifar10.safetensors")) &&
         datasets().get("cifar10").missing(data_root("")).empty();
}

TEST(PretrainedWeights, ResNet20AnswersAsMeasuredElsewhere) {
  if (!here("resnet20")) GTEST_SKIP() << "CIFAR-10 or the ResNet-20 weights are not here.";

  EXPECT_NEAR(static_cast<double>(correct_on_cifar10("resnet20")), 9173, 1);
}

TEST(PretrainedWeights, ResNet56AnswersAsMeasuredElsewhere) {
  if (!here("resnet56")) GTEST_SKIP() << "CIFAR-10 or the ResNet-56 weights are not here.";

  EXPECT_NEAR(static_cast<double>(correct_on_cifar10("resnet56")), 9339, 1);
}

}  // namespace
}  // namespace quantbench
