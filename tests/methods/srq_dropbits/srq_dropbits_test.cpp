// The quantizer and the method as a whole.
#include "methods/srq_dropbits/srq_dropbits.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "methods/common/soft_staircase.h"
#include "models/builder.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

using srq::DropMasks;
using srq::MaskGroups;
using srq::QuantizerRule;
using srq::SrqQuantizer;

const Batch kNone;
const TapContext kWeight{kNone, nullptr, Rows::Parameter};

OptionValues options(const std::map<std::string, std::string>& given = {}) {
  return OptionValues("method", srq_dropbits_card().options, given);
}

Graph small_graph() {
  GraphBuilder g("small", {3, 8, 8}, 4);
  int x = g.relu("relu1", g.batch_norm("bn1", g.conv("conv1", g.input(), 6, 3, {1, 1, 1, false})));
  x = g.relu("relu2", g.batch_norm("bn2", g.conv("conv2", x, 6, 3, {2, 1, 1, false})));
  g.linear("fc", g.global_avg_pool("pool", x), 4);
  return std::move(g).build();
}

struct Small : SmallTask {
  Small() : SmallTask(small_graph(), 1, random_batches()) {}
};

TEST(SrqQuantizer, ShipsWhatItEvaluates) {
  const Tensor w = random_tensor({6, 5, 3, 3}, 1);
  for (auto groups : {MaskGroups::Point, MaskGroups::Pair, MaskGroups::Level})
    for (int64_t bits : {2, 3, 8}) {
      const int64_t low = -(int64_t{1} << (bits - 1));
      const auto masks = DropMasks::learned(groups, low, -low - 1, 0);
      {
        const torch::NoGradGuard no_grad;
        masks->logits().copy_(random_tensor(masks->logits().sizes(), 2, 4));
      }
      SrqQuantizer quantizer(0.17, 1.0 / 3, BitWidth(bits), true, false, {}, masks);
      quantizer.eval();
      const Encoding encoding = quantizer.encode(w);
      check(encoding, "test");
      EXPECT_TRUE(same_bits(decode(encoding), quantizer.forward(w, kWeight)));
    }
}

TEST(SrqQuantizer, CountsTheBitsThatItsMasksLeave) {
  const auto masks = DropMasks::learned(MaskGroups::Level, -8, 7, 3);
  SrqQuantizer quantizer(0.1, 1.0 / 3, BitWidth(4), true, false, {}, masks);
  const auto bits_with = [&](std::vector<float> logits) {
    const torch::NoGradGuard no_grad;
    masks->logits().copy_(torch::tensor(logits));
    return quantizer.surviving_bits().bits();
  };
  EXPECT_EQ(bits_with({3, 3, 3}), 4);
  EXPECT_EQ(bits_with({3, 3, -9}), 3);
  EXPECT_EQ(bits_with({3, -9, 3}), 2);  // level 4 needs level 3
  EXPECT_EQ(bits_with({-9, 3, 3}), 2);
  EXPECT_TRUE(std::get<UniformFormat>(quantizer.format()).narrow);  // -1, 0, 1
}

TEST(SrqQuantizer, FitsItsStepToTheLeastSquaredError) {
  const Tensor x = random_tensor({20000}, 3);
  // Optimal uniform steps of a normal variable (Max 1960): 0.996 for 4 levels, 0.586 for 8. The
  // grid with zero on it lies half a step off; its best steps are near.
  EXPECT_NEAR(SrqQuantizer::least_squares_step(x, BitWidth(3), true), 0.6, 0.08);
  const Tensor on_grid = torch::randint(-4, 4, {1000}).to(torch::kFloat32) * 0.3;
  EXPECT_NEAR(SrqQuantizer::least_squares_step(on_grid, BitWidth(3), true), 0.3, 1e-3);
  EXPECT_EQ(SrqQuantizer::least_squares_step(torch::zeros({9}), BitWidth(3), true), 1);
}

TEST(SrqQuantizer, KeepsSigmaWithinItsBounds) {
  SrqQuantizer quantizer(0.5, 1.0 / 3, BitWidth(3), true, false, {});
  const torch::NoGradGuard no_grad;
  Tensor log_sigma = quantizer.grid_parameters()[1];
  log_sigma.fill_(-20);
  quantizer.limit();
  EXPECT_NEAR(quantizer.sigma_in_steps(), 0.05, 1e-6);
  log_sigma.fill_(20);
  quantizer.limit();
  EXPECT_NEAR(quantizer.sigma_in_steps(), 2, 1e-5);
}

// Random pushes through the slope: values stay where the slope is small.
double mean_distance_to_grid(double sigma) {
  Tensor x = torch::rand({4000}) * 6 - 3;
  for (int step = 0; step < 300; ++step) {
    const Tensor leaf = x.detach().requires_grad_();
    semi_relaxed_quantize(leaf, values({1}), values({static_cast<float>(sigma)}), -8, 7)
        .backward(torch::randn({4000}));
    x = (leaf - 0.05 * leaf.grad()).detach();
  }
  return (x - x.round()).abs().mean().item<double>();
}

TEST(SrqQuantizer, GathersWeightsAboutThePointsOfTheGridOnceSigmaIsSmall) {
  torch::manual_seed(4);
  EXPECT_NEAR(mean_distance_to_grid(0.5), 0.25, 0.02);
  EXPECT_LT(mean_distance_to_grid(0.125), 0.2);
}

TEST(SrqDropBits, QuantizesEveryLayerTheFirstAndTheLastToo) {
  Small small;
  SrqDropBits method(options({{"weight_bits", "3"}, {"activation_bits", "3"}}));
  small.start(method);
  for (const Site& site : weight_sites(small.network.graph()))
    EXPECT_EQ(mean_bits(method.format(small.network, site)), 3) << site.name;
  for (const Site& site : operand_sites(small.network.graph()))
    EXPECT_EQ(mean_bits(method.format(small.network, site)), site.point.node == 0 ? 8 : 3);
}

TEST(SrqDropBits, TrainsScalesAndMasksWithTheirOwnOptimizer) {
  Small small;
  SrqDropBits method(options({{"dropbits", "level"}, {"learn_masks", "yes"}, {"finetune", "0.5"}}));
  small.start(method);
  TrainingBudget budget;
  budget.epochs = 4;
  const auto phases = method.phases(small.network, budget);
  ASSERT_EQ(phases.size(), 2u);
  EXPECT_EQ(phases[0].epochs, 2);
  ASSERT_EQ(phases[0].groups.size(), 3u);
  EXPECT_EQ(phases[0].groups[1].optimizer.kind, OptimizerConfig::Kind::Adam);
  EXPECT_EQ(phases[1].groups.size(), 2u);
  EXPECT_EQ(phases[1].schedule.first_epoch, 2);
}

TEST(SrqDropBits, ChargesForMasksByCountOrBySize) {
  Small small;
  const auto term = [&](const char* cost) {
    SrqDropBits method(options({{"dropbits", "level"},
                                {"learn_masks", "yes"},
                                {"mask_price", "1"},
                                {"mask_cost", cost},
                                {"weight_bits", "3"}}));
    small.start(method);
    return method.loss_term(small.network, Progress()).item<double>();
  };
  const double kept = srq::HardConcrete::kept_probability(values({2})).item<double>();
  EXPECT_NEAR(term("count"), 3 * 2 * kept, 1e-5);  // three layers, two masks each
  EXPECT_NEAR(term("size"), 2 * kept, 1e-5);
}

TEST(SrqDropBits, DrawsAgainForEachStepAndTheSameForTheSameStep) {
  Small small;
  SrqDropBits method(options({{"dropbits", "point"}, {"weight_bits", "3"}, {"keep", "0.5"}}));
  small.start(method);
  small.network.train();
  const auto logits = [&](uint64_t step) {
    Progress progress;
    progress.random = RandomStream(5, "hooks").child(step);
    method.before_step(small.network, progress);
    const torch::NoGradGuard no_grad;
    return small.network.forward(small.batches[0]);
  };
  const Tensor first = logits(0), second = logits(1), again = logits(0);
  EXPECT_FALSE(torch::equal(first, second));
  EXPECT_TRUE(torch::equal(first, again));
}

TEST(SrqDropBits, RefusesOptionsThatContradictEachOther) {
  EXPECT_THROW(SrqDropBits(options({{"rule", "rq"}, {"dropbits", "point"}})), Error);
  EXPECT_THROW(SrqDropBits(options({{"learn_masks", "yes"}})), Error);
  EXPECT_THROW(SrqDropBits(options({{"finetune", "0.5"}})), Error);
  EXPECT_THROW(SrqDropBits(options({{"activation_bits", "20"}})), Error);
}

}  // namespace
}  // namespace quantbench
