// The fused functions against naive references: values bit for bit, gradients to rounding.
#include "methods/common/fake_quantize.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// What is swept: every grid on every kind of tensor.
struct Case {
  std::string name;
  UniformFormat format;
  Tensor x;
};

UniformFormat without_kernel(UniformFormat format) {
  // Half-up differs from half-even at ties only, which random values do not meet.
  format.rounding = Rounding::HalfUp;
  return format;
}

std::vector<Case> cases() {
  std::vector<Case> out;
  const Tensor contiguous = random_tensor({6, 5, 4, 3}, 7);
  const std::vector<std::pair<std::string, Tensor>> tensors{
      {"contiguous", contiguous},
      {"channels-last", channels_last(contiguous)},
      {"transposed", contiguous.transpose(0, 1)},
      {"with gaps", random_tensor({6, 5, 4, 6}, 8).slice(3, 0, 6, 2)}};
  for (const auto& [layout, x] : tensors)
    for (Granularity granularity : {Granularity::Tensor, Granularity::Channel})
      for (Scheme scheme : {Scheme::Symmetric, Scheme::Affine})
        for (int64_t bits : {1, 2, 4, 8, 16}) {
          Range range = min_max(x, granularity);
          range.low = range.low * 0.4;
          range.high = range.high * 0.7;
          out.push_back({fmt::format("{}, {}, {}, {} bits", layout,
                                     granularity == Granularity::Tensor ? "tensor" : "channel",
                                     scheme == Scheme::Affine ? "affine" : "symmetric", bits),
                         uniform_format(range, BitWidth(bits), scheme), x});
        }
  return out;
}

// 1/scale, zero point and limits of `f`, broadcast to x.
struct Parts {
  Tensor v, lowest, highest;
  Parts(const UniformFormat& f, const Tensor& x)
      : v(x * align(f, 1 / f.scale, x)),
        lowest(align(f, f.step * lowest_code(f) - f.zero_point, x)),
        highest(align(f, f.step * highest_code(f) - f.zero_point, x)) {}
};

Tensor gradient_of(const std::function<Tensor(const Tensor&)>& function, const Tensor& x,
                   const Tensor& upstream) {
  const Tensor leaf = x.detach().clone(torch::MemoryFormat::Preserve).requires_grad_();
  function(leaf).backward(upstream);
  return leaf.grad();
}

// Autograd through a composition of plain operations.
Tensor composed_gradient(const UniformFormat& format, const Tensor& x, const Tensor& upstream,
                         bool relu) {
  return gradient_of(
      [&](const Tensor& leaf) {
        const Tensor r = relu ? torch::relu(leaf) : leaf;
        const Parts at(format, r.detach());
        const double half = 0.5 * format.step;
        const Tensor inside = (at.v >= at.lowest - half) & (at.v <= at.highest + half);
        return torch::where(inside, r, r.detach());
      },
      x, upstream);
}

TEST(FakeQuantize, GivesTheValuesOfItsFormatBitForBit) {
  for (const Case& c : cases()) {
    EXPECT_TRUE(same_bits(fake_quantize(c.x, c.format), apply(c.format, c.x))) << c.name;
    EXPECT_TRUE(same_bits(fake_quantize(c.x, c.format, {true, 0, false}),
                          apply(c.format, torch::relu(c.x))))
        << c.name << " with ReLU";
    EXPECT_TRUE(same_bits(fake_quantize(c.x, c.format, {true, 0.8, false}),
                          apply(c.format, torch::clamp(c.x, 0, 0.8))))
        << c.name << " with limited ReLU";
  }
}

TEST(FakeQuantize, PassesTheGradientOfTheNaiveComposition) {
  for (const Case& c : cases())
    for (bool relu : {false, true}) {
      const Tensor upstream = random_tensor(c.x.sizes(), 9);

      const Tensor fused = gradient_of(
          [&](const Tensor& x) {
            return fake_quantize(x, c.format, {relu, 0, false});
          },
          c.x, upstream);

      EXPECT_TRUE(torch::equal(fused, composed_gradient(c.format, c.x, upstream, relu))) << c.name;
    }
}

TEST(FakeQuantize, GivesTheSameWithAndWithoutKernel) {
  for (const Case& c : cases()) {
    const Tensor upstream = random_tensor(c.x.sizes(), 10);
    auto with = [&](const UniformFormat& format) {
      return gradient_of(
          [&](const Tensor& x) {
            return fake_quantize(x, format, {true, 0.8, false});
          },
          c.x, upstream);
    };

    EXPECT_TRUE(torch::equal(with(c.format), with(without_kernel(c.format)))) << c.name;
  }
}

TEST(FakeQuantize, KeepsTheMemoryFormatInBothDirections) {
  const Tensor x = channels_last(random_tensor({2, 3, 4, 5}, 11)).requires_grad_();

  const Tensor y = fake_quantize(x, tensor_format(0.1, 8, 4));
  y.sum().backward();

  EXPECT_EQ(y.strides(), x.strides());
  EXPECT_EQ(x.grad().strides(), x.strides());
}

TEST(FakeQuantize, TreatsTiesInfinitiesAndNanLikeItsFormat) {
  const UniformFormat format = tensor_format(0.5, 3, 3);
  const Tensor x = values({0.25f, 0.75f, -0.25f, -0.75f, 2.25f, -1.75f, kInfinity, -kInfinity,
                           -0.0f, kNaN, 3e38f, 1e-45f});

  const Tensor y = fake_quantize(x, format);

  EXPECT_TRUE(torch::isnan(y[9]).item<bool>());
  EXPECT_TRUE(same_bits(torch::nan_to_num(y), torch::nan_to_num(apply(format, x))));
}

TEST(FakeQuantize, HasNoGradientAtNanAndInfinity) {
  const Tensor g =
      gradient_of([](const Tensor& x) { return fake_quantize(x, tensor_format(1, 0, 4)); },
                  values({kNaN, kInfinity, -kInfinity, 1.0f}), torch::ones({4}));

  EXPECT_TRUE(torch::equal(g, values({0, 0, 0, 1})));
}

TEST(FakeQuantize, WithReluHasNoGradientAtZeroAndFromTheLimitOn) {
  const Tensor g = gradient_of(
      [](const Tensor& x) {
        return fake_quantize(x, tensor_format(0.5, 0, 8), {true, 6, false});
      },
      values({-1.0f, -0.0f, 0.0f, 0.01f, 5.9f, 6.0f, 7.0f}), torch::ones({7}));

  EXPECT_TRUE(torch::equal(g, values({0, 0, 0, 1, 1, 0, 0})));
}

TEST(FakeQuantize, CanPassTheGradientOfClippedValues) {
  const Tensor g = gradient_of(
      [](const Tensor& x) {
        return fake_quantize(x, tensor_format(1, 0, 2), {false, 0, true});
      },
      values({-9.0f, 1.0f, 9.0f}), torch::ones({3}));

  EXPECT_TRUE(torch::equal(g, torch::ones({3})));
}

TEST(FakeQuantize, TakesExpandedGradientsAndEmptyTensors) {
  const Tensor x = random_tensor({5, 4}, 12).requires_grad_();

  fake_quantize(x, tensor_format(1, 8, 4)).sum().backward();

  EXPECT_TRUE(torch::equal(x.grad(), torch::ones({5, 4})));
  EXPECT_EQ(fake_quantize(torch::empty({0, 4}), tensor_format(1, 0, 4)).numel(), 0);
}

TEST(FakeQuantize, LetsItsFormatChangeBeforeTheBackwardPass) {
  const UniformFormat format = tensor_format(1, 0, 2);
  const Tensor x = values({2.0f, 9.0f}).requires_grad_();

  const Tensor y = fake_quantize(x, format);
  format.scale.fill_(100);
  y.sum().backward();

  EXPECT_TRUE(torch::equal(x.grad(), values({1, 0})));
}

TEST(FakeQuantize, RefusesASecondDerivative) {
  const Tensor x = random_tensor({4}, 13).requires_grad_();
  const Tensor y = fake_quantize(x, tensor_format(1, 8, 4)).sum();

  EXPECT_THROW(torch::autograd::grad({y}, {x}, {}, true, /*create_graph=*/true), Error);
}

TEST(FakeQuantize, RefusesAnotherNumberOfChannels) {
  UniformFormat format = uniform_format(min_max(torch::ones({3, 2}), Granularity::Channel),
                                        BitWidth(4), Scheme::Symmetric);

  EXPECT_THROW(fake_quantize(torch::ones({4, 2}), format), Error);
}

TEST(FakeQuantizeObserved, ReportsTheRangeOfTheRectifiedInput) {
  const Tensor x = random_tensor({3, 40000}, 14);

  const auto plain = fake_quantize_observed(x, tensor_format(0.1, 8, 4));
  const auto relu = fake_quantize_observed(x, tensor_format(0.1, 0, 4), {true, 2, false});

  EXPECT_EQ(plain.low, x.min().item<float>());
  EXPECT_EQ(plain.high, x.max().item<float>());
  EXPECT_EQ(relu.low, 0);
  EXPECT_EQ(relu.high, 2);
  EXPECT_TRUE(same_bits(plain.value, fake_quantize(x, tensor_format(0.1, 8, 4))));
}

// bfloat16 in, bfloat16 out: the value and the gradient of the widened input, rounded once.
TEST(FakeQuantize, InBf16IsTheFloatFunctionRoundedOnce) {
  for (const Case& c : cases()) {
    const Tensor x = c.x.to(torch::kBFloat16);
    const Tensor upstream = random_tensor(c.x.sizes(), 21).to(torch::kBFloat16);
    const auto function = [&](const Tensor& leaf) {
      return fake_quantize(leaf, c.format, {true, 0.8, false});
    };

    const Tensor y = function(x);
    const Tensor g = gradient_of(function, x, upstream);

    const Tensor real = x.to(torch::kFloat);
    EXPECT_TRUE(torch::equal(y, function(real).to(torch::kBFloat16))) << c.name;
    EXPECT_TRUE(torch::equal(g, gradient_of(function, real, upstream.to(torch::kFloat))
                                    .to(torch::kBFloat16)))
        << c.name;
  }
}

TEST(FakeQuantize, InBf16PassesNanOn) {
  const Tensor x = values({kNaN, kInfinity, 1.0f}).to(torch::kBFloat16);

  const Tensor y = fake_quantize(x, tensor_format(0.5, 0, 3)).to(torch::kFloat);

  EXPECT_TRUE(torch::isnan(y[0]).item<bool>());
  EXPECT_EQ(y[1].item<float>(), 3.5f);
}

struct Gradients {
  Tensor x, parameter;
};

Gradients learned_gradients(const Case& c, const Tensor& upstream, double gradient_scale,
                            bool relu) {
  const Tensor x = c.x.detach().clone(torch::MemoryFormat::Preserve).requires_grad_();
  const Tensor scale = c.format.scale.clone().requires_grad_();
  learned_step_quantize(x, scale, c.format, gradient_scale, {relu, 0, false}).backward(upstream);
  return {x.grad(), scale.grad()};
}

// LSQ eq. 3 and 5, in plain operations; sums in float64.
Gradients published_lsq(const Case& c, const Tensor& upstream, double gradient_scale, bool relu) {
  const UniformFormat& f = c.format;
  const Tensor r = relu ? torch::relu(c.x) : c.x;
  const Parts at(f, r);
  const Tensor inside = (at.v > at.lowest) & (at.v < at.highest);
  const Tensor k = integers(f, quantize(f, r)).to(torch::kFloat32);
  const Tensor slope = torch::where(inside, k - at.v, k).to(torch::kFloat64) * upstream;
  const Tensor open = relu ? inside & (c.x > 0) : inside;
  return {upstream * open,
          (slope.reshape({f.scale.numel(), -1}).sum(1) * gradient_scale).to(torch::kFloat32)};
}

TEST(LearnedStep, HasThePublishedGradients) {
  for (const Case& c : cases())
    for (bool relu : {false, true}) {
      const Tensor upstream = random_tensor(c.x.sizes(), 15);

      const Gradients fused = learned_gradients(c, upstream, 0.125, relu);
      const Gradients naive = published_lsq(c, upstream, 0.125, relu);

      EXPECT_TRUE(torch::equal(fused.x, naive.x)) << c.name;
      const double tolerance = 1e-6 * naive.parameter.abs().max().item<double>() + 1e-5;
      EXPECT_LE((fused.parameter - naive.parameter).abs().max().item<double>(), tolerance)
          << c.name;
    }
}

TEST(LearnedStep, GivesTheSameGradientsWithAndWithoutKernel) {
  for (Case c : cases()) {
    const Tensor upstream = random_tensor(c.x.sizes(), 16);

    const Gradients fused = learned_gradients(c, upstream, 1, false);
    c.format = without_kernel(c.format);
    const Gradients plain = learned_gradients(c, upstream, 1, false);

    EXPECT_TRUE(torch::equal(fused.x, plain.x)) << c.name;
    EXPECT_TRUE(torch::allclose(fused.parameter, plain.parameter, 1e-5, 1e-5)) << c.name;
  }
}

TEST(LearnedStep, InBf16HasTheGradientsOfTheWidenedInput) {
  for (Case c : cases()) {
    const Tensor upstream = random_tensor(c.x.sizes(), 22).to(torch::kBFloat16);
    c.x = c.x.to(torch::kBFloat16);
    const Gradients narrow = learned_gradients(c, upstream, 1, true);
    c.x = c.x.to(torch::kFloat);
    const Gradients wide = learned_gradients(c, upstream.to(torch::kFloat), 1, true);

    EXPECT_TRUE(torch::equal(narrow.x, wide.x.to(torch::kBFloat16))) << c.name;
    EXPECT_TRUE(same_bits(narrow.parameter, wide.parameter)) << c.name;
  }
}

TEST(LearnedStep, AgreesWithAutogradThroughAStraightThroughRound) {
  const Tensor x = random_tensor({4, 50}, 17);
  const Tensor upstream = random_tensor({4, 50}, 18);
  const Case c{"",
               uniform_format({Granularity::Tensor, values({0}), values({1.5f})}, BitWidth(4),
                              Scheme::Affine),
               x};
  const Tensor scale = c.format.scale.clone().to(torch::kFloat64).requires_grad_();

  const Tensor clipped = torch::clamp(x / scale, 0, 15);
  (((torch::round(clipped) - clipped).detach() + clipped) * scale).backward(upstream);
  const Gradients fused = learned_gradients(c, upstream, 1, false);

  EXPECT_NEAR(fused.parameter.item<double>(), scale.grad().item<double>(), 1e-4);
}

// Beyond the ends of the grid the rule is the true derivative of the value.
TEST(LearnedStep, MatchesFiniteDifferencesBeyondTheGrid) {
  const Case c{"", tensor_format(0.3, 4, 3), values({-9.0f, 7.0f, 8.5f})};
  auto value = [&](float scale) {
    return learned_step_quantize(c.x, values({scale}), c.format, 1).sum().item<double>();
  };

  const Gradients fused = learned_gradients(c, torch::ones({3}), 1, false);

  EXPECT_NEAR(fused.parameter.item<double>(), (value(0.35f) - value(0.25f)) / 0.1, 1e-4);
}

TEST(LearnedStep, DoesNotDependOnTheNumberOfThreads) {
  const Case c{"", tensor_format(0.1, 0, 4), random_tensor({64, 5000}, 19)};
  const Tensor upstream = random_tensor({64, 5000}, 20);
  const int threads = at::get_num_threads();

  at::set_num_threads(1);
  const Gradients alone = learned_gradients(c, upstream, 1, true);
  at::set_num_threads(2);
  const Gradients together = learned_gradients(c, upstream, 1, true);
  at::set_num_threads(threads);

  EXPECT_TRUE(same_bits(alone.parameter, together.parameter));
  EXPECT_TRUE(same_bits(alone.x, together.x));
}

TEST(LearnedStep, SurvivesAScaleThatTurnedNegative) {
  const Tensor y =
      learned_step_quantize(values({1.0f, -1.0f}), values({-0.2f}), tensor_format(1, 0, 4), 1);

  EXPECT_TRUE(torch::isfinite(y).all().item<bool>());
}

TEST(Pact, ClipsToAlphaAndQuantizes) {
  const Tensor x = values({-1.0f, 0.0f, 0.4f, 1.4f, 2.9f, 3.0f, 50.0f});

  const Tensor y = pact_quantize(x, values({3.0f}), BitWidth(2));

  EXPECT_TRUE(torch::equal(y, values({0, 0, 0, 1, 3, 3, 3})));
  EXPECT_TRUE(same_bits(y, apply(pact_format(values({3.0f}), BitWidth(2)), torch::relu(x))));
}

TEST(Pact, HasThePublishedGradients) {
  for (const Tensor& x :
       {random_tensor({3, 4, 5, 6}, 21), channels_last(random_tensor({3, 4, 5, 6}, 21))}) {
    const Tensor leaf = x.clone(torch::MemoryFormat::Preserve).requires_grad_();
    const Tensor alpha = values({0.9f}).requires_grad_();
    const Tensor upstream = random_tensor(x.sizes(), 22);

    pact_quantize(leaf, alpha, BitWidth(4)).backward(upstream);

    const Tensor above = (x >= 0.9f).to(torch::kFloat64);
    EXPECT_TRUE(torch::equal(leaf.grad(), upstream * ((x > 0) & (x < 0.9f))));
    EXPECT_NEAR(alpha.grad().item<double>(), (upstream * above).sum().item<double>(), 1e-5);
  }
}

TEST(Pact, MatchesFiniteDifferencesBeyondAlpha) {
  const Tensor x = values({-2.0f, 4.0f, 9.0f});
  const Tensor alpha = values({1.5f}).requires_grad_();
  auto value = [&](float a) {
    return pact_quantize(x, values({a}), BitWidth(4)).sum().item<double>();
  };

  pact_quantize(x, alpha, BitWidth(4)).sum().backward();

  EXPECT_NEAR(alpha.grad().item<double>(), (value(1.6f) - value(1.4f)) / 0.2, 1e-4);
}

TEST(Dorefa, SpreadsItsLevelsEvenlyFromMinusOneToOne) {
  const Tensor levels = apply(dorefa_format(BitWidth(2)), torch::linspace(-1, 1, 4));

  EXPECT_TRUE(torch::allclose(levels, torch::linspace(-1, 1, 4)));
}

TEST(Dorefa, QuantizesAsEquationNine) {
  const Tensor w = random_tensor({8, 3, 3, 3}, 23, 0.3);
  const Tensor t = torch::tanh(w.to(torch::kFloat64));

  const Tensor fused = fake_quantize(dorefa_normalise(w), dorefa_format(BitWidth(4)));

  const Tensor unit = t / (2 * t.abs().max()) + 0.5;
  EXPECT_TRUE(
      torch::allclose(fused.to(torch::kFloat64), 2 * torch::round(unit * 15) / 15 - 1, 0, 1e-6));
}

TEST(Dorefa, NormalisesEveryMemoryFormatAlike) {
  const Tensor w = random_tensor({8, 5, 3, 3}, 24, 0.3);

  EXPECT_TRUE(same_bits(dorefa_normalise(w), dorefa_normalise(channels_last(w))));
}

}  // namespace
}  // namespace quantbench
