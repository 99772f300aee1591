#include "methods/common/range_tracker.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "methods/common/observer_options.h"
#include "methods/common/range_quantizers.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
using Rule = RangeTracking::Rule;

TEST(TrackRange, TakesTheFirstRangeAsItIs) {
  for (const Rule rule : {Rule::Widest, Rule::MovingAverage}) {
    Tensor low = torch::full({1}, kInfinity), high = torch::full({1}, -kInfinity);

    track_range({rule, 0.1}, -0.7f, 1.3f, low, high);

    EXPECT_EQ(-0.7f, low.item<float>());
    EXPECT_EQ(1.3f, high.item<float>());
  }
}

TEST(TrackRange, WidensEachEntryOnItsOwn) {
  Tensor low = torch::tensor({-1.0f, -2.0f, kInfinity});
  Tensor high = torch::tensor({1.0f, 2.0f, -kInfinity});

  track_range({Rule::Widest}, torch::tensor({-3.0f, -1.0f, 4.0f}),
              torch::tensor({0.5f, 5.0f, 6.0f}), low, high);

  EXPECT_TRUE(torch::equal(low, torch::tensor({-3.0f, -2.0f, 4.0f})));
  EXPECT_TRUE(torch::equal(high, torch::tensor({1.0f, 5.0f, 6.0f})));
}

TEST(TrackRange, MomentumIsTheShareOfTheNewRange) {
  Tensor low = torch::tensor({-1.0f}), high = torch::tensor({1.0f});

  track_range({Rule::MovingAverage, 0.25}, -2, 3, low, high);

  EXPECT_EQ(-1.25f, low.item<float>());
  EXPECT_EQ(1.5f, high.item<float>());
}

TEST(TrackRange, LeavesAloneWhatIsNotFinite) {
  for (const float broken : {kInfinity, -kInfinity, std::nanf("")}) {
    Tensor low = torch::tensor({-1.0f}), high = torch::tensor({1.0f});

    track_range({Rule::MovingAverage, 0.5}, -4, broken, low, high);
    track_range({Rule::Widest}, broken, 4, low, high);

    EXPECT_EQ(-1, low.item<float>());
    EXPECT_EQ(1, high.item<float>());
  }
}

// The bits that training has always given where the processor has FMA.
TEST(RangeActivationQuantizer, MovesItsRangeByOneFusedStep) {
  RangeActivationQuantizer quantizer(
      {Granularity::Tensor, torch::tensor({-0.3f}), torch::tensor({2.1f})}, BitWidth(4),
      /*absorbs_relu=*/false, RangeActivationQuantizer::Follow::MovingAverage);
  float low = -0.3f, high = 2.1f;
  torch::manual_seed(1);
  const Batch batch;
  for (int step = 0; step < 50; ++step) {
    const Tensor x = torch::randn({100});
    low = std::fma(0.01f, x.min().item<float>(), 0.99f * low);
    high = std::fma(0.01f, x.max().item<float>(), 0.99f * high);
    quantizer.forward(x, {batch});
  }
  EXPECT_EQ(low, quantizer.named_buffers()["low"].item<float>());
  EXPECT_EQ(high, quantizer.named_buffers()["high"].item<float>());
}

TEST(ObserverOptions, MakeTheObserverThatTheyName) {
  const OptionValues values("test", observer_options(),
                            {{"observer", "percentile"}, {"percentile", "99"}});

  const ObserverConfig config =
      observer_config(values, BitWidth(3), Granularity::Channel, Scheme::Symmetric);

  EXPECT_EQ("percentile", config.kind);
  EXPECT_EQ(99, config.percentile);
  EXPECT_EQ(3, config.bits.bits());
  EXPECT_EQ(Granularity::Channel, config.granularity);
  EXPECT_EQ(Scheme::Symmetric, config.scheme);
}

}  // namespace
}  // namespace quantbench
