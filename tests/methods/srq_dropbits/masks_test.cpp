#include "methods/srq_dropbits/masks.h"

#include <gtest/gtest.h>

#include "tests/methods/support.h"

namespace quantbench::srq {
namespace {

TEST(HardConcrete, HasTheClosedProbabilitiesAndTheDeterministicValue) {
  const Tensor logits = values({-2, 0, 2});
  const Tensor kept = HardConcrete::kept_probability(logits);
  const std::vector<double> zero{0.599025, 0.168178, 0.026633}, one{0.026633, 0.168178, 0.599025};
  const std::vector<double> settled{0.0430, 0.5, 0.9570};
  torch::manual_seed(1);
  for (int i = 0; i < 3; ++i) {
    const auto at = static_cast<size_t>(i);
    EXPECT_NEAR(1 - kept[i].item<double>(), zero[at], 1e-6);
    EXPECT_NEAR(HardConcrete::deterministic(logits)[i].item<double>(), settled[at], 5e-5);

    const Tensor z = HardConcrete::sample(logits[i], torch::rand({1000000}).clamp(1e-6, 1 - 1e-6));
    EXPECT_NEAR((z == 0).to(torch::kFloat64).mean().item<double>(), zero[at], 2e-3);
    EXPECT_NEAR((z == 1).to(torch::kFloat64).mean().item<double>(), one[at], 2e-3);
  }
}

TEST(DropMasks, GroupPointsAsNamed) {
  EXPECT_EQ(DropMasks(MaskGroups::Point, -4, 3, 1).count(), 7);
  EXPECT_EQ(DropMasks(MaskGroups::Pair, -4, 3, 1).count(), 4);
  EXPECT_EQ(DropMasks(MaskGroups::Level, -4, 3, 1).count(), 2);
  EXPECT_EQ(DropMasks(MaskGroups::Level, -8, 7, 1).count(), 3);
}

TEST(DropMasks, KeepZeroAlwaysAndTheRestAtTheirRate) {
  const RandomStream random(2, "test");
  for (MaskGroups groups : {MaskGroups::Point, MaskGroups::Pair}) {
    const DropMasks masks(groups, -4, 3, 0.9);
    Tensor sum = torch::zeros({8});
    for (uint64_t i = 0; i < 4000; ++i) {
      const Tensor z = masks.draw(random.child(i));
      sum += z;
      if (groups == MaskGroups::Pair) {
        EXPECT_EQ(z[3].item<float>(), z[5].item<float>());  // -1, 1
      }
    }
    EXPECT_EQ(sum[4].item<float>(), 4000);
    for (int64_t i : {0, 1, 2, 3, 5, 6, 7}) EXPECT_NEAR(sum[i].item<float>() / 4000, 0.9, 0.02);
    EXPECT_TRUE(torch::equal(masks.settled(), torch::ones({8})));
  }
}

TEST(DropMasks, OfLevelsAreNested) {
  const RandomStream random(3, "test");
  const DropMasks masks(MaskGroups::Level, -8, 7, 0.5);
  for (uint64_t i = 0; i < 200; ++i) {
    const Tensor z = masks.draw(random.child(i));
    const auto at = [&](int64_t n) { return z[n + 8].item<float>(); };
    EXPECT_EQ(at(-1) + at(0) + at(1), 3);
    EXPECT_EQ(at(2), at(3));
    EXPECT_EQ(at(2), at(-4));
    EXPECT_LE(at(7), at(2));   // level 4 needs level 3
    EXPECT_LE(at(2), at(-2));  // and that level 2
  }
}

TEST(DropMasks, CloseUnderTheirPriceAloneMonotonically) {
  const auto masks = DropMasks::learned(MaskGroups::Level, -8, 7, 2);
  double before = 8;
  double left = 16;
  for (int step = 0; step < 200; ++step) {
    masks->logits().mutable_grad().reset();
    const Tensor penalty = masks->penalty();
    EXPECT_LT(penalty.item<double>(), before);
    before = penalty.item<double>();
    penalty.backward();
    torch::NoGradGuard no_grad;
    masks->logits().sub_(masks->logits().grad());
    const double now = masks->settled().sum().item<double>();
    EXPECT_LE(now, left);
    left = now;
  }
  EXPECT_EQ(left, 3);  // -1, 0, 1
}

TEST(DropMasks, PassTheGradientToTheirLogits) {
  const auto masks = DropMasks::learned(MaskGroups::Pair, -2, 1, 0);
  // A stream whose draw lies strictly between the ends.
  for (uint64_t i = 0; i < 20; ++i) {
    masks->logits().mutable_grad().reset();
    const Tensor z = masks->draw(RandomStream(i, "test"));
    if (!((z > 0) & (z < 1)).any().item<bool>()) continue;
    z.sum().backward();
    EXPECT_GT(masks->logits().grad().abs().sum().item<double>(), 0);
    return;
  }
  FAIL() << "no draw between 0 and 1";
}

}  // namespace
}  // namespace quantbench::srq
