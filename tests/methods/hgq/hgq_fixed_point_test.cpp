// HGQ's numbers (arXiv 2405.00645): values, surrogate gradient, widths, EBOPs, by hand.
#include <gtest/gtest.h>

#include "base/error.h"
#include "methods/hgq/ebops.h"
#include "methods/hgq/fixed_point.h"
#include "methods/hgq/quantizers.h"
#include "methods/hgq/schedule.h"
#include "methods/hgq/widths.h"
#include "methods/training.h"
#include "models/builder.h"
#include "tests/methods/support.h"

namespace quantbench::hgq {
namespace {

Tensor at(std::vector<float> x, float f, Rounding rounding = Rounding::HalfUp) {
  return fixed_point(values(std::move(x)), values({f}), {rounding}).value;
}

TapContext no_context() {
  static const Batch none;
  return {none, nullptr, Rows::Sample};
}

TEST(HgqFixedPoint, RoundsHalfUpOrDown) {
  EXPECT_TRUE(torch::equal(at({0.625f, -0.625f, 0.62f}, 2), values({0.75f, -0.5f, 0.5f})));
  EXPECT_TRUE(torch::equal(at({3, -3}, -1), values({4, -2})));
  EXPECT_TRUE(torch::equal(at({0.7f, -0.3f}, 2, Rounding::Floor), values({0.5f, -0.5f})));
  EXPECT_TRUE(torch::equal(at({0.49999997f}, 0), values({0})));  // v + 1/2 would round to 1
}

TEST(HgqFixedPoint, RoundsTheFractionBitsHalfToEven) {
  EXPECT_TRUE(torch::equal(fraction_bits(values({2.5f, 3.5f, -0.5f, 40, -40})),
                           values({2, 4, 0, 23, -23})));
}

TEST(HgqFixedPoint, TheSurrogateGradientIsThatOfAnErrorThatHalvesWithEachBit) {
  const Tensor x = values({0.6f}).requires_grad_(), f = values({2}).requires_grad_();

  fixed_point(x, f).value.backward(values({1}));

  EXPECT_NEAR(f.grad().item<double>(), 0.0693147, 1e-6);
  EXPECT_EQ(x.grad().item<double>(), 1);
  const auto model = [](double fraction) { return 0.6 - 0.1 * std::exp2(-(fraction - 2)); };
  EXPECT_NEAR(f.grad().item<double>(), (model(2.001) - model(1.999)) / 0.002, 1e-5);
}

TEST(HgqFixedPoint, SharedBitsGetTheSumOfTheirGradients) {
  torch::manual_seed(3);
  for (const bool last : {false, true})
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{1}, {3, 1, 1}, {3, 5, 4}, {5, 3, 5, 4}, {1, 3, 1, 1}}) {
      if (last && shape.size() == 4) continue;
      Tensor x = torch::randn({5, 3, 5, 4});
      if (last) x = channels_last(x);
      const Tensor weight = torch::randn({5, 3, 5, 4});
      Tensor f = torch::rand(shape) * 4, plain = f.clone();
      f.requires_grad_();

      const FixedPointValues out = fixed_point(x, f, {Rounding::HalfUp, true, 0, true});
      (out.value * weight).sum().backward();

      const Tensor scale = torch::exp2(-torch::round(plain)), positive = x.clamp_min(0);
      const Tensor expected = torch::floor(positive / scale + 0.5) * scale;
      const Tensor error = weight * (expected > 0) * (positive - expected) * std::log(2.0);
      EXPECT_TRUE(torch::equal(out.value, expected));
      EXPECT_EQ(out.value.strides(), x.strides());
      EXPECT_TRUE(torch::allclose(f.grad(), reduce_to(error, shape, Reduction::Sum), 1e-4, 1e-5));
      EXPECT_TRUE(torch::equal(out.low, reduce_to(expected, shape, Reduction::Smallest)));
      EXPECT_TRUE(torch::equal(out.high, reduce_to(expected, shape, Reduction::Largest)));
    }
}

TEST(HgqFixedPoint, TheThreadsDoNotChangeItsSums) {
  const Tensor x = random_tensor({4096, 33}, 5), g = random_tensor({4096, 33}, 6);
  const auto gradient = [&](int threads) {
    torch::set_num_threads(threads);
    const Tensor f = torch::full({33}, 2.0f).requires_grad_();
    fixed_point(x, f).value.backward(g);
    return f.grad();
  };
  EXPECT_TRUE(torch::equal(gradient(1), gradient(4)));
  torch::set_num_threads(2);
}

TEST(HgqFixedPoint, HasNoSecondDerivative) {
  const Tensor x = values({0.6f}).requires_grad_();
  const Tensor y = fixed_point(x, values({2})).value;
  EXPECT_THROW(torch::autograd::grad({y}, {x}, {values({1})}, true, true), Error);
}

TEST(HgqWeights, StartWithTheSameNumberOfSignificantBits) {
  const Tensor w = values({0.3f, 1.5f, 0.375f});
  const Tensor f = WeightQuantizer::initial_fraction(w, w.sizes(), 2);

  EXPECT_TRUE(torch::allclose(f, values({3.73697f, 1.41504f, 3.41504f}), 0, 1e-5));
  EXPECT_TRUE(torch::equal(fixed_point(w, f).value, values({0.3125f, 1.5f, 0.375f})));
  EXPECT_TRUE(torch::isfinite(WeightQuantizer::initial_fraction(values({0, 1}), {2}, 2))
                  .all()
                  .item<bool>());
  EXPECT_TRUE(torch::isfinite(WeightQuantizer::initial_fraction(values({0, 0}), {2}, 2))
                  .all()
                  .item<bool>());
}

// The ablation with one width a tensor, as the authors' code has it.
TEST(HgqWeights, ThatShareAWidthAreChargedTheWidest) {
  const Tensor w = values({0.3f, 1.5f, 0.0f, -0.1f}).view({2, 2});
  const Tensor f = WeightQuantizer::initial_fraction(w, {1, 1}, 3);
  EXPECT_NEAR(f.item<double>(), 3 - std::log2(1.5), 1e-5);

  WeightQuantizer quantizer(f);
  quantizer.forward(w, no_context());
  const Tensor bits = quantizer.estimated_bits(0.5);
  EXPECT_TRUE(torch::equal(bits, torch::full({2, 2}, 3.0f)));  // 1.5 on a grid of 2^-2
  bits.sum().backward();
  EXPECT_EQ(quantizer.fraction().grad().item<double>(), 4 * 0.5);
}

TEST(HgqBias, ItsRoundingTeachesTheFinestFractionOfItsChannel) {
  auto next = std::make_shared<ActivationQuantizer>(values({1, 2, 2, 1, 0, 3}).view({2, 3, 1}),
                                                    ActivationRule{});
  BiasQuantizer quantizer(next);
  const Tensor bias = values({0.6f, 0.3f});
  quantizer.forward(bias, no_context()).sum().backward();

  const double first = std::log(2.0) * (0.6 - 0.5), second = std::log(2.0) * (0.3 - 0.25);
  const Tensor expected =
      torch::tensor({0.0, first / 2, first / 2, 0.0, 0.0, second}).view({2, 3, 1});
  EXPECT_TRUE(torch::allclose(next->fraction().grad(), expected.to(torch::kFloat32), 0, 1e-6));
}

TEST(HgqWidths, EnclosedBitsLeaveOutZerosAtBothEnds) {
  const Tensor w = values({0.3125f, 0.375f, 0.5f, 0.75f, 0.6875f, 1.5f, -0.625f, 0});

  EXPECT_TRUE(torch::equal(enclosed_bits(w), values({3, 2, 1, 2, 4, 2, 3, 0})));
  EXPECT_TRUE(
      torch::equal(estimated_weight_bits(w, values({4})), values({3, 3, 4, 4, 4, 5, 4, 0})));
}

TEST(HgqWidths, IntegerBitsFollowFromTheRange) {
  const FixedPointType type = exact_type(values({-3.25f, -3.25f, -4, -4.125f, 0, 0}),
                                         values({3.875f, 4, 3.875f, 1, 0, 0.875f}), values({3}));

  EXPECT_TRUE(torch::equal(type.integer, values({2, 3, 2, 3, -3, 0})));
  EXPECT_TRUE(torch::equal(type.sign, values({1, 1, 1, 1, 0, 0})));
  EXPECT_TRUE(torch::equal(type.width, values({6, 7, 6, 7, 0, 3})));
}

TEST(HgqWidths, TheEstimateIsNeverBelowTheExactWidth) {
  torch::manual_seed(1);
  const Tensor fraction = torch::floor(torch::rand({2000}) * 9 - 3);
  const Tensor a = torch::floor(torch::randn({2000}) * 20) * torch::exp2(-fraction);
  const Tensor b = torch::floor(torch::randn({2000}) * 20) * torch::exp2(-fraction);
  const Tensor low = torch::minimum(a, b), high = torch::maximum(a, b);

  const Tensor exact = exact_type(low, high, fraction).width;

  EXPECT_TRUE((estimated_range_bits(low, high, fraction) >= exact).all().item<bool>());
  EXPECT_TRUE((estimated_weight_bits(a, fraction) >= enclosed_bits(a)).all().item<bool>());
}

Graph two_by_two() {
  GraphBuilder g("two", {2}, 2);
  g.linear("fc", g.input(), 2);
  return std::move(g).build();
}

TEST(HgqEbops, AddUpTheProductsOfWidths) {
  const Graph graph = two_by_two();
  const LayerCost cost(graph, 1, 1);
  // [out, in], the transpose of the paper's order.
  const Tensor w = values({0.5f, 0, 0.75f, -0.3125f}).view({2, 2});
  const Tensor f = torch::full({2, 2}, 4.0f).requires_grad_();
  const Tensor input = values({6, 4}).requires_grad_();

  const Tensor exact = cost.ebops(input.detach(), enclosed_bits(w));
  const Tensor estimate =
      cost.ebops(input, with_gradient(estimated_weight_bits(w, fraction_bits(f)), f, 1));
  estimate.backward();

  EXPECT_EQ(exact.item<double>(), 30);
  EXPECT_EQ(estimate.item<double>(), 60);
  EXPECT_TRUE(torch::equal(f.grad(), values({6, 0, 6, 4}).view({2, 2})));
  EXPECT_TRUE(torch::equal(input.grad(), values({8, 3})));
}

TEST(HgqEbops, OfAConvolutionCountTheWindowsThatFallOnEachPixel) {
  GraphBuilder g("conv", {2, 6, 6}, 3);
  int x = g.max_pool("pool", g.input(), 2, 2);
  x = g.conv("conv", x, 4, 3, {1, 1, 1, true});
  g.linear("fc", g.flatten("flatten", x), 3);
  const Graph graph = std::move(g).build();
  torch::manual_seed(2);
  const Tensor widths = torch::floor(torch::rand({2, 6, 6}) * 8);
  const Tensor weights = torch::floor(torch::rand({4, 2, 3, 3}) * 5);

  const LayerCost all(graph, 2, 0), one(graph, 2, 1);
  const Tensor inputs = all.arriving(widths);

  ASSERT_EQ(inputs.sizes(), torch::IntArrayRef({2, 3, 3}));
  double expected = 0;
  for (int64_t o = 0; o < 4; ++o)
    for (int64_t c = 0; c < 2; ++c)
      for (int64_t y = 0; y < 3; ++y)
        for (int64_t i = 0; i < 3; ++i)
          for (int64_t ky = 0; ky < 3; ++ky)
            for (int64_t kx = 0; kx < 3; ++kx) {
              const int64_t py = y + ky - 1, px = i + kx - 1;
              if (py < 0 || py > 2 || px < 0 || px > 2) continue;
              double largest = 0;  // of the pooled window
              for (int64_t d = 0; d < 4; ++d)
                largest =
                    std::max(largest, widths[c][2 * py + d / 2][2 * px + d % 2].item<double>());
              expected += largest * weights[o][c][ky][kx].item<double>();
            }
  EXPECT_DOUBLE_EQ(all.ebops(inputs, weights).item<double>(), expected);
  EXPECT_NEAR(one.ebops(inputs, weights).item<double>(), expected / 9, 1e-3);
}

TEST(HgqEbops, WhatSharesBitsLearnsMoreSlowlyFromThePriceOnly) {
  GraphBuilder g("wide", {64}, 1);
  g.linear("fc", g.input(), 1, false);
  const Graph graph = std::move(g).build();
  const LayerCost cost(graph, 1, 1);
  ActivationQuantizer quantizer(values({3}), {});
  const Tensor x = torch::full({1, 64}, 0.77f);
  const Tensor y = quantizer.forward(x, no_context());

  const double share = 1 / std::sqrt(cost.operand_sharing(1));
  cost.ebops(cost.arriving(quantizer.estimated_bits(share)), torch::ones({1, 64})).backward();
  const double price = quantizer.fraction().grad().item<double>();
  quantizer.fraction().mutable_grad().reset();
  y.sum().backward();

  EXPECT_EQ(price, 64.0 / 8);
  EXPECT_NEAR(quantizer.fraction().grad().item<double>(), 64 * std::log(2.0) * (0.77 - 0.75), 1e-4);
}

TEST(HgqActivations, WrapAsHardwareDoes) {
  ActivationQuantizer quantizer(values({3}), {});
  quantizer.train();
  quantizer.forward(values({-4, 3.875f}).view({2, 1}), no_context());
  quantizer.eval();

  const Tensor out =
      quantizer.forward(values({4, 4.125f, -4.125f, 3.875f}).view({4, 1}), no_context());

  EXPECT_EQ(quantizer.exact_bits().item<float>(), 6);  // k 1, i 2, F 3
  EXPECT_TRUE(torch::equal(out.flatten(), values({-4, -3.875f, 3.875f, 3.875f})));
}

TEST(HgqActivations, HaveNoFormatBeforeTheyHaveARange) {
  ActivationQuantizer quantizer(values({3}), {});
  EXPECT_THROW(quantizer.format(), Error);
}

TEST(HgqActivations, SignedUnsignedAndDeadOnesShareAFormat) {
  ActivationQuantizer quantizer(values({2, 3, -4, 1}), {});
  quantizer.train();
  const Tensor seen = values({-1.5f, 0.1f, 1, 0, 1.25f, 2.4f, 0, 0}).view({2, 4});
  const Tensor trained = quantizer.forward(seen, no_context());
  quantizer.eval();

  const auto format = std::get<UniformFormat>(quantizer.format());
  check(Format(format), "mixed");

  EXPECT_TRUE(torch::equal(quantizer.exact_bits(), values({4, 5, 0, 0})));
  EXPECT_TRUE(torch::equal(quantizer.forward(seen, no_context()), trained));
  EXPECT_TRUE(torch::equal(quantbench::apply(Format(format), values({9, 9, 9, 9}).view({1, 4})),
                           values({1, 1, 0, 0}).view({1, 4})));  // modulo 4, modulo 4, dead, dead
}

TEST(HgqActivations, NeverNeedMoreThanSixteenBits) {
  ActivationQuantizer quantizer(values({14}), {});
  quantizer.train();
  quantizer.forward(values({-100, 90}).view({2, 1}), no_context());
  quantizer.eval();

  check(quantizer.format(), "wide");
  EXPECT_TRUE(quantizer.limit());
  EXPECT_EQ(quantizer.exact_bits().item<float>(), 16);
  EXPECT_FALSE(quantizer.limit());
}

TEST(HgqWeights, AreEncodedEachAtItsOwnWidth) {
  const Tensor w = random_tensor({5, 7}, 4, 0.3);
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{5, 7}, {5, 1}, {1, 1}}) {
    WeightQuantizer quantizer(WeightQuantizer::initial_fraction(w, shape, 3));
    quantizer.eval();

    const Encoding encoding = quantizer.encode(w);
    check(encoding, "weight");

    const Tensor q = quantizer.forward(w, no_context()).detach();
    EXPECT_TRUE(same_bits(decode(encoding) + 0.0f, q + 0.0f));
    if (shape[1] == 7) {
      const Tensor bits = std::get<UniformEncoding>(encoding).format.bits.to(torch::kFloat);
      EXPECT_TRUE(torch::equal(bits, enclosed_bits(q) + (q != 0).to(torch::kFloat)));
    }
  }
}

TEST(HgqWeights, ThatHaveGrownStillFitSixteenBits) {
  const Tensor w = values({3, 0.001f, -900});
  WeightQuantizer quantizer(values({20, 20, 20}));
  quantizer.limit(w);
  check(quantizer.encode(w), "weight");
  EXPECT_EQ(quantizer.fraction()[1].item<float>(), 20);
}

TEST(HgqSchedule, RaisesBetaOnALogarithmicScale) {
  const BetaSchedule jets("0:5e-7, 5000:1e-6:2e-3", "test");

  EXPECT_EQ(jets.at(0, 300000), 5e-7);
  EXPECT_EQ(jets.at(4999, 300000), 5e-7);
  EXPECT_NEAR(jets.at(152500, 300000), 4.4721e-5, 1e-9);
  EXPECT_NEAR(BetaSchedule("0:0:1:linear", "test").at(5, 10), 0.5, 1e-12);
  EXPECT_THROW(BetaSchedule("0:0:1", "test"), Error);
  for (const char* bad : {"", "1:1", "0", "0:x", "0:1:2:cubic", "0:1,0:2", "0:1:2:log:3", "0:-1"})
    EXPECT_THROW(BetaSchedule(bad, "test"), Error) << bad;
}

TEST(HgqSchedule, RestartsTheRate) {
  Schedule jets;
  jets.kind = Schedule::Kind::CosineRestarts;
  jets.cycle_epochs = 2500;
  jets.cycle_decay = 0.98;
  jets.floor = 1e-6;

  EXPECT_NEAR(5e-3 * jets.factor(1250), 2.50e-3, 1e-8);
  EXPECT_NEAR(5e-3 * jets.factor(2500), 4.9e-3, 1e-8);
  jets.cycle_hold = 500;
  EXPECT_NEAR(jets.factor(2100), 1e-6, 1e-12);
}

}  // namespace
}  // namespace quantbench::hgq
