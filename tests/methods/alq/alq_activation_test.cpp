// Activations with shared bases.
#include <gtest/gtest.h>

#include "methods/alq/activation.h"
#include "tests/methods/support.h"

namespace quantbench::alq {
namespace {

double error(const SharedBases& bases, const Tensor& x) {
  return (quantbench::apply(codebook_of(bases), x) - x).square().mean().item<double>();
}

TEST(AlqActivation, HasTheLevelsOfItsBases) {
  const CodebookFormat format = codebook_of(torch::tensor({2.0, 0.5, 1.0}, torch::kFloat64));

  EXPECT_TRUE(torch::equal(format.levels, values({0.5f, 1.5f, 2.5f, 3.5f})));
  EXPECT_TRUE(torch::equal(format.thresholds, values({1, 2, 3})));
  EXPECT_NO_THROW(check(Format(format), "site"));
}

TEST(AlqActivation, EveryFitLowersTheError) {
  const Tensor x = torch::relu(random_tensor({4000}, 1));
  SharedBases bases = torch::tensor({1.5, 0.3, 0.9}, torch::kFloat64);
  double before = error(bases, x);
  for (int i = 0; i < 5; ++i) {
    bases = refitted(bases, x);
    const double now = error(bases, x);
    EXPECT_LE(now, before + 1e-6);
    before = now;
  }
  EXPECT_LT(error(fitted_bases(x, BitWidth(2)), x), 0.03);
}

TEST(AlqActivation, FollowsTheBatchesInTrainingOnly) {
  const Tensor x = random_tensor({64, 10}, 2);
  SharedBasesQuantizer quantizer(fitted_bases(torch::relu(x), BitWidth(2)), /*relu=*/true);
  const Batch batch;
  TapContext context{batch};
  context.relu = true;
  const auto levels = [&] { return std::get<CodebookFormat>(quantizer.format()).levels; };
  const Tensor start = levels();

  quantizer.eval();
  const Tensor simulated = quantizer.forward(3 * x, context);
  EXPECT_TRUE(torch::equal(levels(), start));
  EXPECT_TRUE(torch::equal(simulated, quantbench::apply(quantizer.format(), torch::relu(3 * x))));

  quantizer.train();
  for (int i = 0; i < 60; ++i) quantizer.forward(3 * x, context);
  EXPECT_GT(levels()[3].item<float>(), 2 * start[3].item<float>());
}

TEST(AlqActivation, PassesTheGradientBetweenItsOutermostLevels) {
  SharedBasesQuantizer quantizer(torch::tensor({1.0, 0.25, 0.5}, torch::kFloat64), true);
  const Batch batch;
  TapContext context{batch};
  context.relu = true;
  quantizer.train();
  Tensor x = values({-1, 0.9f, 1.2f, 50}).requires_grad_(true);

  quantizer.forward(x, context).sum().backward();

  EXPECT_EQ(x.grad()[0].item<float>(), 0) << "the ReLU";
  EXPECT_EQ(x.grad()[1].item<float>(), 1);
  EXPECT_EQ(x.grad()[3].item<float>(), 0) << "beyond the highest level";
}

}  // namespace
}  // namespace quantbench::alq
