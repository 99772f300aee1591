// The training steps on bases and coordinates, against the same written with tensors.
#include <gtest/gtest.h>

#include <cmath>

#include "methods/alq/quantizer.h"
#include "tests/methods/support.h"

namespace quantbench::alq {
namespace {

const std::vector<int64_t> kShape{6, 4, 3, 5};  // Cin != Cout and kh != kw

MultiBitQuantizer made(Grouping grouping, int bases, const Tensor& weight, bool latent = false,
                       int64_t parts = 1) {
  const Groups groups = groups_of(weight.sizes(), grouping, parts);
  const Sketched start = sketch(groups, weight, bases);
  return MultiBitQuantizer(groups, bases, &start, latent);
}

Tensor value_of(MultiBitQuantizer& quantizer) {
  const torch::NoGradGuard no_grad;
  quantizer.eval();
  const Batch batch;
  return quantizer.forward({}, {batch, nullptr, Rows::Parameter}).clone();
}

void backward(MultiBitQuantizer& quantizer, const Tensor& gradient) {
  quantizer.train();
  const Batch batch;
  (quantizer.forward({}, {batch, nullptr, Rows::Parameter}) * gradient).sum().backward();
}

// Signs by group, float64 [groups, width, length], 0 where a group has no base.
Tensor signs_of(const MultiBitQuantizer& q) {
  const Groups& g = q.groups();
  Tensor out = torch::zeros({g.count, q.width(), g.length}, torch::kFloat64);
  for (int i = 0; i < q.width(); ++i) {
    const Tensor bit = q.patterns().to(torch::kInt32).bitwise_right_shift(i).bitwise_and(1);
    const Tensor there = (q.counts().to(torch::kInt32) > i).view({-1, 1});
    out.select(1, i).copy_((2 * bit - 1) * there);
  }
  return out;
}

struct Moments {
  Tensor first, second, largest;
  explicit Moments(const Tensor& like)
      : first(torch::zeros_like(like)),
        second(torch::zeros_like(like)),
        largest(torch::zeros_like(like)) {}
  void add(const Tensor& g) {
    first = 0.9 * first + 0.1 * g;
    second = 0.999 * second + 0.001 * g * g;
    largest = torch::maximum(largest, second);
  }
  Tensor slope(double rate, int step) const { return rate / (1 - std::pow(0.9, step)) * first; }
  Tensor curvature(int step) const {
    return (torch::sqrt(largest) + 1e-8) / std::sqrt(1 - std::pow(0.999, step));
  }
};

TEST(AlqGroups, EveryGroupingRebuildsTheWeightFromItsBases) {
  for (Grouping grouping : {Grouping::Channel, Grouping::Kernel, Grouping::Pixel}) {
    const Tensor weight = random_tensor(kShape, 1);
    MultiBitQuantizer quantizer = made(grouping, 6, weight);

    const Encoding encoding = quantizer.encode({});

    EXPECT_NO_THROW(check(encoding, "site"));
    EXPECT_TRUE(same_bits(decode(encoding), value_of(quantizer)));
    EXPECT_LE((value_of(quantizer) - weight).square().sum().item<double>(),
              0.02 * weight.square().sum().item<double>())
        << "six bases come close, unless elements were mixed up";
  }
  const Tensor row = random_tensor({5, 24}, 2);
  MultiBitQuantizer sliced = made(Grouping::SubChannel, 6, row, false, 3);
  EXPECT_EQ(sliced.groups().count, 15);
  EXPECT_TRUE(same_bits(decode(sliced.encode({})), value_of(sliced)));
}

TEST(AlqBases, TheStepGathersTheGradientsOfAllPartsOfABatch) {
  const Tensor weight = random_tensor(kShape, 1);
  for (Grouping grouping : {Grouping::Channel, Grouping::Pixel}) {
    MultiBitQuantizer whole = made(grouping, 3, weight), parts = made(grouping, 3, weight);
    const Tensor first = random_tensor(kShape, 2), second = random_tensor(kShape, 3);
    const Tensor before = value_of(parts);

    backward(whole, first + second);
    backward(parts, first);
    backward(parts, second);
    whole.step_bases(0.05);
    parts.step_bases(0.05);

    EXPECT_TRUE(same_bits(value_of(parts), value_of(whole)));
    EXPECT_FALSE(same_bits(value_of(parts), before)) << "a step that moves nothing shows nothing";
    EXPECT_FALSE(parts.leaf().grad().defined());
  }
}

TEST(AlqBases, TheStepFollowsTheQuadraticModel) {
  for (Grouping grouping : {Grouping::Channel, Grouping::Pixel, Grouping::Kernel}) {
    MultiBitQuantizer quantizer = made(grouping, 2, random_tensor({16, 24, 3, 5}, 1));
    const Groups groups = quantizer.groups();
    Moments moments(torch::zeros({groups.count, groups.length}, torch::kFloat64));
    for (int step = 1; step <= 3; ++step) {
      const Tensor gradient = random_tensor({16, 24, 3, 5}, 10 + static_cast<uint64_t>(step));
      const Tensor w0 = gather(groups, value_of(quantizer)).to(torch::kFloat64);
      const Tensor a0 = quantizer.coordinates().to(torch::kFloat64).clone();
      moments.add(gather(groups, gradient).to(torch::kFloat64));
      const double rate = 0.05;
      const Tensor g = moments.slope(rate, step), h = moments.curvature(step);
      const Tensor target = w0 - g / h;
      const auto model = [&](const Tensor& w) {
        return (g * (w - w0) + 0.5 * h * (w - w0).square()).sum(1);
      };

      backward(quantizer, gradient);
      quantizer.step_bases(rate);

      const Tensor b = signs_of(quantizer), a = quantizer.coordinates().to(torch::kFloat64);
      const Tensor w = gather(groups, value_of(quantizer)).to(torch::kFloat64);
      EXPECT_TRUE(torch::allclose((b * a.unsqueeze(2)).sum(1), w, 1e-6, 1e-6));
      // Nearest levels of before: nothing between the two half-steps can raise the model.
      Tensor nearest = torch::full_like(w, INFINITY);
      for (int p = 0; p < 4; ++p) {
        const Tensor level =
            (a0.select(1, 0) * (p & 1 ? 1 : -1) + a0.select(1, 1) * (p & 2 ? 1 : -1))
                .unsqueeze(1)
                .expand_as(w);
        nearest = torch::where((level - target).abs() < (nearest - target).abs(), level, nearest);
      }
      EXPECT_LE((model(nearest) - model(w0)).max().item<double>(), 1e-6);
      EXPECT_LE((model(w) - model(nearest)).max().item<double>(), 1e-6);
      // Weighted least squares: the weighted residual is orthogonal to each base.
      const Tensor residual = (h * (target - w)).unsqueeze(1);
      const Tensor off = (b * residual).sum(2).abs(), size = (h * target.abs()).sum(1, true);
      EXPECT_LE((off / size).max().item<double>(), 1e-5);
    }
    EXPECT_GE(quantizer.coordinates().min().item<float>(), 0);
  }
}

TEST(AlqBases, EqualBasesBecomeOne) {
  const Tensor weight = random_tensor({4, 40}, 1);
  MultiBitQuantizer quantizer = made(Grouping::Channel, 2, weight);
  const Tensor before = value_of(quantizer);

  // Every weight wants far beyond the outermost level of its sign.
  backward(quantizer, -torch::sign(before));
  quantizer.step_bases(10);

  EXPECT_EQ(quantizer.bases(), 4) << "one for each of four groups";
  EXPECT_TRUE(same_bits(decode(quantizer.encode({})), value_of(quantizer)));
  EXPECT_TRUE(torch::equal(torch::sign(value_of(quantizer)), torch::sign(before)));
  EXPECT_GT(value_of(quantizer).abs().min().item<float>(), 5);
  EXPECT_TRUE(torch::equal(quantizer.coordinates().select(1, 1), torch::zeros({4})));
}

TEST(AlqCoordinates, StepByTheChainRuleInTheirOwnDomain) {
  MultiBitQuantizer quantizer = made(Grouping::Pixel, 3, random_tensor(kShape, 1));
  const Groups groups = quantizer.groups();
  const Tensor b = signs_of(quantizer);
  Tensor a = quantizer.coordinates().to(torch::kFloat64).clone();
  Moments moments(a);
  const double rate = 0.01, decay = 1e-2;
  for (int step = 1; step <= 3; ++step) {
    const Tensor gradient = random_tensor(kShape, 20 + static_cast<uint64_t>(step));
    const Tensor g = gather(groups, gradient).to(torch::kFloat64);
    const Tensor there = (b.abs().sum(2) > 0).to(torch::kFloat64);
    moments.add(((b * g.unsqueeze(1)).sum(2) + decay * a) * there);
    a = a - moments.slope(rate, step) / moments.curvature(step);

    backward(quantizer, gradient);
    quantizer.step_coordinates(rate, decay);

    EXPECT_TRUE(torch::allclose(quantizer.coordinates().to(torch::kFloat64), a, 1e-4, 1e-6));
    EXPECT_TRUE(torch::equal(signs_of(quantizer), b)) << "bases stay";
    EXPECT_TRUE(same_bits(decode(quantizer.encode({})), value_of(quantizer)));
  }
}

TEST(AlqCoordinates, TakeTheirMomentsFromTheWeights) {
  MultiBitQuantizer quantizer = made(Grouping::Channel, 4, random_tensor({3, 8, 3, 3}, 1));
  const Groups groups = quantizer.groups();
  Moments moments(torch::zeros({groups.count, groups.length}, torch::kFloat64));
  for (uint64_t step = 0; step < 2; ++step) {
    const Tensor gradient = random_tensor({3, 8, 3, 3}, 30 + step);
    moments.add(gather(groups, gradient).to(torch::kFloat64));
    backward(quantizer, gradient);
    quantizer.step_bases(1e-3);
  }

  quantizer.refresh_coordinate_moments();

  const Tensor b = signs_of(quantizer);
  const Tensor diagonal = (b.square() * moments.largest.unsqueeze(1)).sum(2);
  const auto buffers = quantizer.named_buffers();
  EXPECT_TRUE(torch::allclose(buffers["coordinate_first"].to(torch::kFloat64),
                              (b * moments.first.unsqueeze(1)).sum(2), 1e-4, 1e-6));
  EXPECT_TRUE(torch::allclose(buffers["coordinate_largest"].to(torch::kFloat64), diagonal, 1e-5));
}

TEST(AlqPolish, GoesOnFromFullPrecisionWeights) {
  MultiBitQuantizer quantizer = made(Grouping::Channel, 1, random_tensor({2, 60}, 1));
  const Tensor start = value_of(quantizer).to(torch::kFloat64);
  quantizer.start_latent();
  const Tensor gradient = random_tensor({2, 60}, 2);
  // Far too small a rate for a sign to change at once.
  for (int step = 0; step < 3; ++step) {
    backward(quantizer, gradient);
    quantizer.step_bases(1e-3);
  }

  const Tensor latent = quantizer.named_buffers()["latent"].to(torch::kFloat64);

  Moments moments(start);
  Tensor expected = start;
  for (int step = 1; step <= 3; ++step) {
    moments.add(gradient.to(torch::kFloat64));
    expected = expected - moments.slope(1e-3, step) / moments.curvature(step);
  }
  EXPECT_TRUE(torch::allclose(latent, expected, 1e-4, 1e-6));
}

TEST(AlqSteps, AreTheSameWhateverTheThreads) {
  const int before = torch::get_num_threads();
  std::vector<Tensor> results;
  for (int threads : {1, 3}) {
    torch::set_num_threads(threads);
    MultiBitQuantizer quantizer = made(Grouping::Pixel, 6, random_tensor({64, 64, 3, 3}, 1));
    for (uint64_t step = 0; step < 4; ++step) {
      backward(quantizer, random_tensor({64, 64, 3, 3}, 40 + step));
      step < 2 ? quantizer.step_bases(1e-3) : quantizer.step_coordinates(1e-3, 0);
    }
    results.push_back(value_of(quantizer));
  }
  torch::set_num_threads(before);

  EXPECT_TRUE(same_bits(results[0], results[1]));
}

// Products on packed signs, as an integer executor may count them.
TEST(AlqProducts, CountingBitsIsTheDenseProduct) {
  const int64_t n = 50;
  const Tensor b = torch::where(random_tensor({n}, 1) > 0, 1.0f, -1.0f);
  const Tensor x = torch::where(random_tensor({n}, 2) > 0, 1.0f, -1.0f);
  const Tensor u = (random_tensor({n}, 3) > 0).to(torch::kFloat32);
  const auto packed = [&](const Tensor& t) {
    uint64_t out = 0;
    for (int64_t i = 0; i < n; ++i) out |= uint64_t{t[i].item<float>() > 0} << i;
    return out;
  };
  const auto count = [](uint64_t bits) { return __builtin_popcountll(bits); };

  EXPECT_EQ(b.dot(x).item<float>(), n - 2 * count(packed(b) ^ packed(x)));
  EXPECT_EQ(b.dot(u).item<float>(), 2 * count(packed(b) & packed(u)) - count(packed(u)));
}

}  // namespace
}  // namespace quantbench::alq
