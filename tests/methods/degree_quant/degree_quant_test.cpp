// Degree-Quant's own maths; the numbers are those of its dossier, section 6.
#include "methods/degree_quant/degree_quant.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "methods/common/range.h"
#include "methods/degree_quant/message_sum.h"
#include "models/graph_ops.h"

namespace quantbench {
namespace {

UniformFormat affine(double low, double high, int bits) {
  return uniform_format({Granularity::Tensor, torch::full({1}, low), torch::full({1}, high)},
                        BitWidth(bits), Scheme::Affine);
}

double value(const UniformFormat& format, double x) {
  return apply(format, torch::full({1}, x)).item<double>();
}

// Check 1 and 2.
TEST(DegreeQuantGrid, AffineGridsAreThePublishedOnes) {
  const UniformFormat eight = affine(-1, 3, 8);
  EXPECT_NEAR(eight.scale.item<double>(), 0.0156863, 1e-7);
  EXPECT_EQ(value(eight, 0), 0);
  EXPECT_NEAR(value(eight, 3), 2.99608, 1e-5);
  EXPECT_NEAR(value(eight, -1), -1.00392, 1e-5);
  EXPECT_NEAR(value(eight, 5), 2.99608, 1e-5);

  const UniformFormat four = affine(0, 1.5, 4);
  EXPECT_NEAR(four.scale.item<double>(), 0.1, 1e-7);
  EXPECT_EQ(four.zero_point.item<int>(), 0);
  EXPECT_NEAR(value(four, 0.26), 0.3, 1e-6);
  EXPECT_NEAR(value(four, 2), 1.5, 1e-6);
  const UniformFormat is_signed = affine(-1, 3, 4);
  EXPECT_NEAR(is_signed.scale.item<double>(), 0.266667, 1e-6);
  EXPECT_NEAR(value(is_signed, 0.401), 0.53333, 1e-5) << "0.4 itself lies between two codes";
}

// Check 3.
TEST(MaskedQuantize, ClippedGradientsStopInTheEndBins) {
  const UniformFormat format = affine(0, 1.5, 4);
  for (const bool clipped : {true, false}) {
    const Tensor x = torch::tensor({0.0f, 1.5f, 1.44f, 0.7f, 2.0f, -1.0f}).requires_grad_();
    masked_quantize(x, {}, format, clipped ? GradientRule::Clipped : GradientRule::Straight)
        .sum()
        .backward();
    const Tensor expected =
        clipped ? torch::tensor({0.0f, 0.0f, 1.0f, 1.0f, 0.0f, 0.0f}) : torch::ones({6});
    EXPECT_TRUE(torch::equal(x.grad(), expected)) << x.grad();
  }
}

TEST(MaskedQuantize, ProtectedRowsPassWithTheirGradient) {
  torch::manual_seed(1);
  for (int64_t width : {1, 3, 64, 5000}) {
    const Tensor x = torch::randn({301, width}).requires_grad_();
    const Tensor keep = (torch::rand({301}) < 0.3).to(torch::kUInt8);
    const Tensor slope = torch::randn({301, width}), same = slope.clone();
    const UniformFormat format = affine(-1, 1.5, 4);

    const Tensor y = masked_quantize(x, keep, format, GradientRule::Clipped);
    y.backward(slope);

    const Tensor kept = keep.to(torch::kBool).unsqueeze(1);
    const Tensor code = torch::round(x * format.scale.reciprocal()) + format.zero_point;
    const Tensor open = ((code > 0) & (code < 15)) | kept;
    EXPECT_TRUE(torch::equal(y, torch::where(kept, x, apply(format, x)))) << width;
    EXPECT_TRUE(torch::equal(x.grad(), slope * open)) << width;
    EXPECT_TRUE(torch::equal(slope, same)) << "a gradient that others see is left alone";
  }
}

// Two quantizers of one tensor get one gradient, which the first must not change for the second.
TEST(MaskedQuantize, SharedGradientsStayWhole) {
  torch::manual_seed(1);
  const Tensor a = torch::randn({50, 64}).requires_grad_(),
               b = torch::randn({50, 64}).requires_grad_();
  const UniformFormat narrow = affine(-0.5, 0.5, 4), wide = affine(-9, 9, 4);
  const auto rule = GradientRule::Clipped;

  ((masked_quantize(a, {}, narrow, rule) + masked_quantize(b, {}, wide, rule)) * 2)
      .sum()
      .backward();

  EXPECT_TRUE(torch::equal(b.grad(), torch::full({50, 64}, 2.0f)));
  EXPECT_LT(a.grad().sum().item<float>(), b.grad().sum().item<float>());
}

// Values, gradients and counts, bit for bit those of messages that are made, quantized and summed.
TEST(MaskedMessageSum, EqualsItsThreeSteps) {
  torch::manual_seed(2);
  const auto graph = Topology(600, torch::randint(0, 600, {5000}), torch::randint(0, 600, {5000}))
                         .with_self_loops();
  const Tensor keep = (torch::rand({graph->edge_count()}) < 0.3).to(torch::kUInt8);
  const UniformFormat format = affine(-0.5, 0.7, 4);
  const Tensor slope = torch::randn({600, 33});
  for (const Tensor& weight : {Tensor(), graph->gcn_norm() * 7})
    for (const Tensor& mask : {Tensor(), keep})
      for (GradientRule rule : {GradientRule::Clipped, GradientRule::Straight}) {
        const Tensor x = torch::randn({600, 33}).requires_grad_(),
                     y = x.detach().clone().requires_grad_();
        Watch fused{-0.4f, 0.5f}, steps = fused;

        const Tensor sum = masked_message_sum(x, weight, *graph, mask, format, rule, &fused);
        sum.backward(slope);
        const Tensor expected = sum_at_target(
            masked_quantize(messages(y, weight, *graph), mask, format, rule, &steps), *graph);
        expected.backward(slope);

        EXPECT_TRUE(torch::equal(sum, expected));
        EXPECT_TRUE(torch::equal(x.grad(), y.grad()));
        EXPECT_EQ(fused.seen.total, steps.seen.total);
        EXPECT_EQ(fused.seen.below, steps.seen.below);
        EXPECT_EQ(fused.seen.above, steps.seen.above);
        EXPECT_GT(fused.seen.above, 0);
      }
}

TEST(MaskedQuantize, RefusesSecondDerivatives) {
  const Tensor x = torch::randn({4, 2}).requires_grad_();
  const Tensor y = masked_quantize(x, {}, affine(-1, 1, 4), GradientRule::Clipped).sum();

  EXPECT_THROW(torch::autograd::grad({y}, {x}, {}, true, true), Error);
}

// Check 4.
TEST(Percentiles, HaveTheAuthorsRanks) {
  const auto ranks = [](int64_t n, double p) {
    const TailRanks r = tail_ranks(n, p);
    return std::make_pair(r.low, r.high);
  };
  EXPECT_EQ(ranks(1000, 0.01), std::make_pair(int64_t{10}, int64_t{990}));
  EXPECT_EQ(ranks(1000, 0.001), std::make_pair(int64_t{1}, int64_t{999}));
  EXPECT_EQ(ranks(50, 0.001), std::make_pair(int64_t{1}, int64_t{49}));
  EXPECT_EQ(ranks(99, 0.01), std::make_pair(int64_t{1}, int64_t{98}));
  EXPECT_EQ(ranks(1, 0.01), std::make_pair(int64_t{1}, int64_t{1}));
}

class Ranges : public testing::Test {
 protected:
  Tensor low = torch::full({1}, std::numeric_limits<float>::infinity());
  Tensor high = torch::full({1}, -std::numeric_limits<float>::infinity());

  std::pair<float, float> after(RangeRule rule, const Tensor& x, const Tensor& keep = {},
                                double p = 0.01) {
    update_range({rule, p, 0.1}, x, keep, low, high);
    return {low.item<float>(), high.item<float>()};
  }
};

TEST_F(Ranges, PercentilesOfKnownNumbers) {
  const Tensor x = torch::arange(1, 1001, torch::kFloat).index_select(0, torch::randperm(1000));

  EXPECT_EQ(after(RangeRule::Percentile, x), std::make_pair(10.0f, 990.0f));
}

// Against sorting all values, over many batches: widest ever, or a moving average.
TEST_F(Ranges, PercentilesEqualASort) {
  torch::manual_seed(3);
  for (const RangeRule rule : {RangeRule::Percentile, RangeRule::PercentileMomentum}) {
    low.fill_(std::numeric_limits<float>::infinity());
    high.fill_(-std::numeric_limits<float>::infinity());
    float expected_low = 0, expected_high = 0;
    for (int batch = 0; batch < 20; ++batch) {
      const Tensor x = torch::randn({257, 33}) * (0.5 + batch % 5);
      const Tensor keep = (torch::rand({257}) < 0.2).to(torch::kUInt8);
      const Tensor counted = std::get<0>(x.index({keep == 0}).flatten().sort());
      const TailRanks ranks = tail_ranks(counted.numel(), 0.01);
      const float l = counted[ranks.low - 1].item<float>();
      const float h = counted[ranks.high - 1].item<float>();
      if (batch == 0) {
        expected_low = l, expected_high = h;
      } else if (rule == RangeRule::Percentile) {
        expected_low = std::min(expected_low, l), expected_high = std::max(expected_high, h);
      } else {
        expected_low += 0.1f * (l - expected_low), expected_high += 0.1f * (h - expected_high);
      }
      const auto [got_low, got_high] = after(rule, x, keep);
      EXPECT_FLOAT_EQ(got_low, expected_low) << batch;
      EXPECT_FLOAT_EQ(got_high, expected_high) << batch;
    }
  }
}

TEST_F(Ranges, MinMaxWidensOrMoves) {
  EXPECT_EQ(after(RangeRule::Absolute, torch::tensor({-1.0f, 2.0f})), std::make_pair(-1.0f, 2.0f));
  EXPECT_EQ(after(RangeRule::Absolute, torch::tensor({0.5f, 3.0f})), std::make_pair(-1.0f, 3.0f));
  EXPECT_EQ(after(RangeRule::Momentum, torch::tensor({1.0f, 1.0f})),
            std::make_pair(std::fma(0.1f, 1.0f, 0.9f * -1.0f), std::fma(0.1f, 1.0f, 0.9f * 3.0f)));
}

// Check 8, and the empty unprotected set of check 7.
TEST_F(Ranges, ProtectedRowsDoNotCount) {
  Tensor x = torch::randn({100, 4});
  x[17].fill_(1e6);
  Tensor keep = torch::zeros({100}, torch::kUInt8);
  keep[17] = 1;
  for (const RangeRule rule : {RangeRule::Absolute, RangeRule::Momentum, RangeRule::Percentile,
                               RangeRule::PercentileMomentum}) {
    low.fill_(std::numeric_limits<float>::infinity());
    high.fill_(-std::numeric_limits<float>::infinity());
    EXPECT_LT(after(rule, x, keep).second, 10);
    const auto before = std::make_pair(low.item<float>(), high.item<float>());
    EXPECT_EQ(after(rule, x, torch::ones({100}, torch::kUInt8)), before) << "all are protected";
  }
}

TEST_F(Ranges, ABrokenBatchLeavesThemAlone) {
  after(RangeRule::Absolute, torch::tensor({-1.0f, 2.0f}));

  EXPECT_EQ(after(RangeRule::Absolute, torch::tensor({1.0f, INFINITY})),
            std::make_pair(-1.0f, 2.0f));
}

std::shared_ptr<const Topology> with_in_degrees(const std::vector<int64_t>& degrees) {
  std::vector<int64_t> source, target;
  const auto nodes = static_cast<int64_t>(degrees.size());
  for (int64_t v = 0; v < nodes; ++v)
    for (int64_t i = 0; i < degrees[static_cast<size_t>(v)]; ++i) {
      source.push_back((v + 1 + i) % nodes);
      target.push_back(v);
    }
  return std::make_shared<Topology>(nodes, torch::tensor(source, torch::kLong),
                                    torch::tensor(target, torch::kLong));
}

std::vector<double> probabilities(const Topology& graph, double p_min = 0, double p_max = 0.1) {
  const Tensor p = protection_probabilities(graph, p_min, p_max);
  return {p.data_ptr<double>(), p.data_ptr<double>() + p.numel()};
}

// Check 5.
TEST(ProtectionProbabilities, GrowWithTheRankOfTheInDegree) {
  const std::vector<double> p = probabilities(*with_in_degrees({0, 1, 1, 2, 5}));
  const double expected[] = {0.02, 0.06, 0.06, 0.08, 0.10};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(p[i], expected[i], 1e-12);

  double mean = 0;
  for (double each : probabilities(*with_in_degrees({0, 1, 2, 3, 4}))) mean += each / 5;
  EXPECT_NEAR(mean, 0.06, 1e-12);
  for (double each : probabilities(*with_in_degrees({3, 3, 3, 3, 3}), 0.1, 0.2))
    EXPECT_NEAR(each, 0.2, 1e-12) << "a regular graph";
}

TEST(ProtectionProbabilities, AreRankedWithinEachGraph) {
  // A star of three (degrees 2, 0, 0) beside a regular pair.
  const Topology two(5, torch::tensor({1, 2, 3, 4}, torch::kLong),
                     torch::tensor({0, 0, 4, 3}, torch::kLong),
                     torch::tensor({0, 0, 0, 1, 1}, torch::kLong));
  const std::vector<double> p = probabilities(two);
  const double expected[] = {0.1, 0.2 / 3, 0.2 / 3, 0.1, 0.1};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(p[i], expected[i], 1e-12);
}

// Check 6.
TEST(Masks, AreDrawnWithThoseProbabilitiesAnewInEachStep) {
  const auto graph = with_in_degrees({0, 1, 1, 2, 5});
  Protection protection(0, 0.5, false);
  const std::vector<double> p = probabilities(*graph, 0, 0.5);
  Tensor sum = torch::zeros({5});
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    protection.begin_step(RandomStream(1, "test").child(static_cast<uint64_t>(i)));
    sum += protection.nodes(graph, 0);
  }
  for (int64_t v = 0; v < 5; ++v) {
    const double expected = p[static_cast<size_t>(v)];
    EXPECT_NEAR(sum[v].item<double>() / kDraws, expected,
                3 * std::sqrt(expected * (1 - expected) / kDraws));
  }
}

TEST(Masks, AnEdgeHasThatOfItsSourceAndLayersMayDiffer) {
  std::vector<int64_t> degrees(200, 1);
  const auto graph = with_in_degrees(degrees);
  for (const bool per_layer : {false, true}) {
    Protection protection(0, 0.5, per_layer);
    protection.begin_step(RandomStream(1, "test"));
    const Tensor first = protection.nodes(graph, 1), second = protection.nodes(graph, 2);
    const Topology& loops = *graph->with_self_loops();

    EXPECT_EQ(torch::equal(first, second), !per_layer);
    EXPECT_TRUE(
        torch::equal(protection.edges(graph, loops, 2), second.index_select(0, loops.source())));
  }
}

// Check 10.
TEST(GcnNorm, OfAPathOfThree) {
  const Topology path(3, torch::tensor({0, 1, 1, 2}, torch::kLong),
                      torch::tensor({1, 0, 2, 1}, torch::kLong));
  const Topology& loops = *path.with_self_loops();
  const Tensor edge = (loops.source() == 0) & (loops.target() == 1);
  EXPECT_NEAR(loops.gcn_norm().index({edge}).item<double>(), 0.408248, 1e-6);
}

// Check 11.
TEST(IntegerAggregation, EqualsTheSumOfFakeQuantizedMessages) {
  torch::manual_seed(2);
  const auto graph = with_in_degrees(std::vector<int64_t>(50, 7));
  const UniformFormat format = affine(-2, 3, 8);
  const Tensor x = torch::randn({50, 16}) * 1.5;
  const Tensor codes = quantize(format, gather_source(x, *graph));

  const Tensor whole =
      torch::zeros({50, 16}, torch::kInt).index_add(0, graph->target(), integers(format, codes));
  const Tensor simulated = sum_at_target(dequantize(format, codes), *graph);

  // Sums of seven below 8 in float32: half a unit in the last place (2^-22) each time.
  const Tensor exact = whole.to(torch::kDouble) * format.scale.item<double>();
  EXPECT_LT((exact - simulated).abs().max().item<double>(), 7 * std::ldexp(1, -21));
}

}  // namespace
}  // namespace quantbench
