// One training step of the quantizers, against the same step written with autograd and tensors.
#include <gtest/gtest.h>

#include <cmath>

#include "methods/bsq/activation.h"
#include "methods/bsq/quantizers.h"
#include "tests/methods/support.h"

namespace quantbench::bsq {
namespace {

// A forward and backward pass in which dL/dW is `gradient`.
void backward(MagnitudeQuantizer& quantizer, const Tensor& gradient) {
  quantizer.train();
  const Batch batch;
  (quantizer.forward({}, {batch, nullptr, Rows::Parameter}) * gradient).sum().backward();
}

Tensor evaluated(MagnitudeQuantizer& quantizer) {
  quantizer.eval();
  const Batch batch;
  return quantizer.forward({}, {batch, nullptr, Rows::Parameter}).detach().clone();
}

kernels::Sgd plain(float rate) { return {rate, 0, 0}; }

TEST(BsqStep, BitsGetTheirShareOfTheWeightsGradient) {
  // More weights than one run holds, and a number that fits no vector.
  const Magnitudes m = magnitudes_of(random_tensor({5003}, 1), 4);
  PlaneQuantizer quantizer(m);
  const Tensor gradient = random_tensor({5003}, 2);

  backward(quantizer, gradient);
  quantizer.step(plain(0), 0);

  // With no momentum before, the momenta are the gradients.
  const BitPlanes slope = quantizer.momenta();
  EXPECT_TRUE(torch::equal(slope.positive, -slope.negative)) << "P and N pull apart";
  for (int b = 0; b + 1 < 4; ++b)
    EXPECT_TRUE(torch::equal(slope.positive[b + 1], 2 * slope.positive[b])) << b;
  const auto step = static_cast<float>(m.step());
  EXPECT_TRUE(torch::equal(slope.positive[0], gradient * step));
}

TEST(BsqStep, TheScaleFollowsTheSumOfTheGradientOverTheNormalisedWeights) {
  const Magnitudes m = magnitudes_of(random_tensor({5003}, 1), 4);
  PlaneQuantizer quantizer(m);
  const Tensor gradient = random_tensor({5003}, 2);

  backward(quantizer, gradient);
  quantizer.step(plain(1e-3f), 0);

  const Tensor u = m.codes.to(torch::kFloat64) / 15;
  const double slope = (gradient.to(torch::kFloat64) * u).sum().item<double>();
  EXPECT_NEAR((m.scale - quantizer.scale()) / 1e-3, slope, 1e-4 * std::abs(slope));
}

TEST(BsqStep, GathersTheGradientsOfAllPartsOfABatch) {
  const Magnitudes m = magnitudes_of(random_tensor({503}, 1), 4);
  PlaneQuantizer whole(m), parts(m);
  const Tensor first = random_tensor({503}, 2), second = random_tensor({503}, 3);

  backward(whole, first + second);
  backward(parts, first);
  backward(parts, second);
  for (PlaneQuantizer* quantizer : {&whole, &parts}) quantizer->step(plain(1e-2f), 0.1);

  EXPECT_TRUE(torch::equal(parts.planes().positive, whole.planes().positive));
  EXPECT_EQ(parts.scale(), whole.scale());
  EXPECT_FALSE(parts.leaf().grad().defined()) << "the next step begins with none";
}

TEST(BsqStep, TheLassoIsTheGradientOfThePlanesLengths) {
  torch::manual_seed(3);
  PlaneQuantizer quantizer(magnitudes_of(torch::randn({50}), 3));
  const BitPlanes planes = quantizer.planes();
  // An empty plane among them: its gradient must be zero, not NaN.
  planes.positive[1].zero_();
  planes.negative[1].zero_();
  backward(quantizer, torch::zeros({50}));
  quantizer.step(plain(0), 0);  // counts the energies of the changed planes
  const auto lengths = [](const Tensor& p, const Tensor& n) {
    return torch::sqrt(1e-8 + p.square().sum(1) + n.square().sum(1)).sum();
  };
  const Tensor p = planes.positive.to(torch::kFloat64), n = planes.negative.to(torch::kFloat64);

  backward(quantizer, torch::zeros({50}));
  quantizer.step(plain(0), 1);

  const BitPlanes slope = quantizer.momenta();
  for (const auto& [bit, weight] : {std::pair{0, 3}, {0, 4}, {2, 7}, {1, 2}}) {
    Tensor up = p.clone(), down = p.clone();
    up[bit][weight] += 1e-5;
    down[bit][weight] -= 1e-5;
    const double central = ((lengths(up, n) - lengths(down, n)) / 2e-5).item<double>();
    EXPECT_NEAR(slope.positive[bit][weight].item<double>(), central, 1e-7) << bit << weight;
  }
  EXPECT_TRUE(torch::equal(slope.positive[1], torch::zeros({50})));
}

// Three steps of everything at once, beside the same in plain tensors.
TEST(BsqStep, IsTheSgdOfThePlainFormulas) {
  const Magnitudes m = magnitudes_of(random_tensor({6, 10, 3, 3}, 4), 5);
  PlaneQuantizer quantizer(m);
  const kernels::Sgd sgd{0.5f, 0.9f, 1e-2f};
  const double lasso = 0.3;
  Tensor p = planes_of(m).positive.to(torch::kFloat64);
  Tensor n = planes_of(m).negative.to(torch::kFloat64);
  Tensor mp = torch::zeros_like(p), mn = torch::zeros_like(n);
  double s = m.scale, ms = 0;
  const Tensor value = torch::exp2(torch::arange(5, torch::kFloat64)).view({5, 1});
  const auto u = [&] { return torch::round((value * (p - n)).sum(0).clamp(-31, 31)) / 31; };

  for (uint64_t step = 0; step < 3; ++step) {
    const Tensor gradient = random_tensor({6, 10, 3, 3}, 10 + step, 0.02);
    const Tensor g = gradient.reshape({-1}).to(torch::kFloat64);
    const Tensor length = torch::sqrt(1e-8 + p.square().sum(1, true) + n.square().sum(1, true));
    const double slope = (g * u()).sum().item<double>() + sgd.weight_decay * s;
    const Tensor ste = value / 31 * s * g;
    mp = sgd.momentum * mp + (ste + lasso * p / length + sgd.weight_decay * p);
    mn = sgd.momentum * mn + (-ste + lasso * n / length + sgd.weight_decay * n);
    ms = sgd.momentum * ms + slope;
    p = (p - sgd.rate * mp).clamp(0, 2);
    n = (n - sgd.rate * mn).clamp(0, 2);
    s -= sgd.rate * ms;
    backward(quantizer, gradient);
    quantizer.step(sgd, lasso);
  }

  EXPECT_TRUE(torch::allclose(quantizer.planes().positive.to(torch::kFloat64), p, 1e-4, 1e-5));
  EXPECT_TRUE(torch::allclose(quantizer.planes().negative.to(torch::kFloat64), n, 1e-4, 1e-5));
  EXPECT_NEAR(quantizer.scale(), s, 1e-4 * std::abs(s));
  EXPECT_TRUE(torch::allclose(quantizer.energies(), p.square().sum(1) + n.square().sum(1), 1e-4));
  EXPECT_TRUE(torch::allclose(evaluated(quantizer).reshape({-1}).to(torch::kFloat64), s * u(), 1e-3,
                              1e-3 * std::abs(s)));
  EXPECT_GE(quantizer.planes().positive.min().item<float>(), 0);
  EXPECT_LE(quantizer.planes().positive.max().item<float>(), 2);
}

TEST(BsqStep, IsTheSameWhateverTheThreads) {
  const int before = torch::get_num_threads();
  std::vector<Tensor> weights;
  for (int threads : {1, 2, 5}) {
    torch::set_num_threads(threads);
    PlaneQuantizer quantizer(magnitudes_of(random_tensor({64, 64, 3, 3}, 4), 8));
    for (uint64_t step = 0; step < 3; ++step) {
      backward(quantizer, random_tensor({64, 64, 3, 3}, 10 + step));
      quantizer.step({0.1f, 0.9f, 1e-4f}, 0.1);
    }
    weights.push_back(evaluated(quantizer));
    weights.push_back(quantizer.energies().to(torch::kFloat32));
  }
  torch::set_num_threads(before);

  for (size_t i = 2; i < weights.size(); ++i) EXPECT_TRUE(same_bits(weights[i], weights[i % 2]));
}

TEST(BsqStep, ShipsExactlyWhatItComputesWith) {
  for (int bits = 1; bits <= 8; ++bits) {
    PlaneQuantizer quantizer(magnitudes_of(random_tensor({31, 7}, 6), bits));
    backward(quantizer, random_tensor({31, 7}, 7));
    quantizer.step(plain(0.3f), 0);

    const Encoding encoding = quantizer.encode({});

    EXPECT_NO_THROW(check(encoding, "site"));
    EXPECT_TRUE(torch::equal(decode(encoding), evaluated(quantizer))) << bits;
    EXPECT_EQ(code_bits(encoding), (bits + 1) * 31 * 7);
  }
}

TEST(BsqLatent, StartsWhereThePlanesEnded) {
  for (int bits : {0, 1, 3, 8}) {
    Magnitudes m = magnitudes_of(random_tensor({31, 7}, 6), std::max(1, bits));
    if (bits == 0) m = {0, 1, torch::zeros({31, 7}, torch::kInt32)};
    LatentQuantizer latent(m);

    EXPECT_TRUE(torch::allclose(evaluated(latent).to(torch::kFloat64),
                                m.codes.to(torch::kFloat64) * m.step(), 1e-6, 1e-9));
    EXPECT_TRUE(torch::equal(decode(latent.encode({})), evaluated(latent)));
  }
}

TEST(BsqLatent, StepsItsBoundedWeights) {
  const Magnitudes m = magnitudes_of(random_tensor({5003}, 6), 2);
  LatentQuantizer quantizer(m);
  const Tensor gradient = random_tensor({5003}, 8);

  backward(quantizer, gradient);
  quantizer.step(plain(0.2f), 0);

  const Tensor w = m.codes.to(torch::kFloat64) / 3;
  const double slope = (gradient.to(torch::kFloat64) * w).sum().item<double>();
  const Tensor moved = (w - 0.2f * m.scale * gradient.to(torch::kFloat64)).clamp(-1, 1);
  const double s = std::max(1e-12, m.scale - 0.2f * slope);
  const Tensor expected = torch::round(moved * 3) / 3 * s;
  const Tensor difference = (evaluated(quantizer).to(torch::kFloat64) - expected).abs();
  EXPECT_LE((difference > 1e-4 * s).sum().item<int64_t>(), 3) << "but for ties in float";
}

TEST(BsqActivation, TakesTheRangeOfEachBatchInTrainingAndItsAverageAfterwards) {
  ClippedQuantizer quantizer(BitWidth(4), ActivationRange::Batch);
  const Batch batch;
  TapContext context{batch};
  context.relu = true;
  quantizer.train();
  Tensor x = torch::tensor({-1.0f, 0.2f, 1.0f, 3.0f}).requires_grad_(true);

  const Tensor y = quantizer.forward(x, context);
  y.sum().backward();
  quantizer.forward(torch::tensor({1.0f}), context);

  EXPECT_TRUE(torch::allclose(y, torch::tensor({0.0f, 0.2f, 1.0f, 3.0f})));
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({0.0f, 1.0f, 1.0f, 1.0f})));
  quantizer.eval();
  const Tensor high = quantizer.forward(torch::tensor({100.0f, -5.0f}), context);
  EXPECT_NEAR(high[0].item<float>(), 0.9 * 3 + 0.1 * 1, 1e-5) << "no test batch moves the range";
  EXPECT_EQ(high[1].item<float>(), 0);
}

TEST(BsqActivation, IsInBf16WhatItIsInFloat32Rounded) {
  ClippedQuantizer narrow(BitWidth(4), ActivationRange::Batch),
      wide(BitWidth(4), ActivationRange::Batch);
  const Batch batch;
  TapContext context{batch};
  context.relu = true;
  ASSERT_TRUE(narrow.takes_bf16());
  Tensor x = (3 * random_tensor({5000}, 1)).to(torch::kBFloat16).requires_grad_(true);
  Tensor same = x.detach().to(torch::kFloat32).requires_grad_(true);
  const Tensor y = narrow.forward(x, context), expected = wide.forward(same, context);
  EXPECT_TRUE(torch::equal(y, expected.to(torch::kBFloat16)));
  y.sum().backward();
  expected.sum().backward();
  EXPECT_TRUE(torch::equal(x.grad(), same.grad().to(torch::kBFloat16)));
  narrow.eval();
  wide.eval();
  EXPECT_TRUE(torch::equal(narrow.forward(x.detach(), context),
                           wide.forward(same.detach(), context).to(torch::kBFloat16)));
}

TEST(BsqActivation, ClipsAtSixOrAtALearnedLimit) {
  const Batch batch;
  TapContext context{batch};
  context.relu = true;
  ClippedQuantizer six(BitWidth(4), ActivationRange::Batch);
  ClippedQuantizer learned(BitWidth(3), ActivationRange::Batch);

  EXPECT_NEAR(six.forward(torch::tensor({9.0f, 1.0f}), context)[0].item<float>(), 6, 1e-5);
  Tensor x = torch::tensor({12.0f, 11.0f, 4.0f, -1.0f}).requires_grad_(true);
  const Tensor y = learned.forward(x, context);
  y.sum().backward();

  EXPECT_NEAR(y[0].item<float>(), 10, 1e-5);
  EXPECT_EQ(learned.parameters().at(0).grad().item<float>(), 2) << "two values at the limit";
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({0.0f, 0.0f, 1.0f, 0.0f})));
}

}  // namespace
}  // namespace quantbench::bsq
