// The categories of RQ, SRQ and DropBits against closed forms, brute force and central differences.
#include "methods/srq_dropbits/categorical.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "methods/common/soft_staircase.h"
#include "tests/methods/support.h"

namespace quantbench::srq {
namespace {

Tensor wide(std::vector<double> list) { return torch::tensor(list, torch::kFloat64); }
Tensor parameter(double value) { return wide({value}).requires_grad_(); }

CategoricalRule mean_on(int64_t low, int64_t high, bool open) {
  CategoricalRule rule;
  rule.low = low;
  rule.high = high;
  rule.open = open;
  rule.hard = false;
  return rule;
}

// The probabilities q, read off the gradient of the masks: d mean/d z_n = alpha q_n (n - mean).
std::vector<double> probabilities(double x, double alpha, double sigma, CategoricalRule rule) {
  const Tensor z = torch::ones({rule.high - rule.low + 1}, torch::kFloat64).requires_grad_();
  const Tensor mean = categorical_quantize(wide({x}), wide({alpha}), wide({sigma}), z, rule);
  mean.sum().backward();
  std::vector<double> out;
  for (int64_t n = rule.low; n <= rule.high; ++n)
    out.push_back(z.grad()[n - rule.low].item<double>() /
                  (alpha * static_cast<double>(n) - mean.item<double>()));
  return out;
}

void expect_all_near(const std::vector<double>& found, const std::vector<double>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], wanted[i], 5e-7) << i;
}

TEST(Categories, HaveTheGoldenProbabilities) {
  const double alpha = 0.5, sigma = alpha / 3;
  expect_all_near(probabilities(0.3, alpha, sigma, mean_on(-2, 1, false)),
                  {0.001859, 0.036009, 0.416236, 0.545896});
  expect_all_near(probabilities(0.3, alpha, sigma, mean_on(-2, 1, true)),
                  {0.001833, 0.033738, 0.389986, 0.574443});
}

struct Derivatives {
  double value, x, alpha, sigma;
};

Derivatives derivatives(double x, double alpha, double sigma, const CategoricalRule& rule) {
  const Tensor at = parameter(x), a = parameter(alpha), s = parameter(sigma);
  const Tensor y = categorical_quantize(at, a, s, {}, rule);
  y.sum().backward();
  return {y.item<double>(), at.grad().item<double>(), a.grad().item<double>(),
          s.grad().item<double>()};
}

TEST(Categories, HaveTheGoldenMeanAndDerivatives) {
  EXPECT_NEAR(derivatives(0.3, 0.5, 0.5 / 3, mean_on(-2, 1, false)).value, 0.253085, 5e-7);
  const Derivatives first = derivatives(0.3, 0.5, 0.5 / 3, mean_on(-2, 1, true));
  EXPECT_NEAR(first.value, 0.268519, 5e-7);
  EXPECT_NEAR(first.x, 0.841781, 5e-7);
  EXPECT_NEAR(first.alpha, 0.230043, 5e-7);
  EXPECT_NEAR(first.sigma, -0.594220, 5e-7);
  const Derivatives second = derivatives(-0.61, 0.25, 0.25 / 3, mean_on(-4, 3, true));
  EXPECT_NEAR(second.value, -0.608920, 5e-7);
  EXPECT_NEAR(second.x, 1.027534, 5e-7);
  EXPECT_NEAR(second.alpha, 0.069760, 5e-7);
  EXPECT_NEAR(second.sigma, 0.005230, 5e-7);
}

// The value at (x, alpha, sigma) moved by the step in one of the three.
double moved(const std::array<double, 3>& at, int which, double step, const CategoricalRule& rule) {
  std::array<double, 3> to = at;
  to[static_cast<size_t>(which)] += step;
  return categorical_quantize(wide({to[0]}), wide({to[1]}), wide({to[2]}), {}, rule).item<double>();
}

// Noise is a function of its stream, so that a sample has differences, too.
TEST(Categories, HaveTheDerivativesThatDifferencesShow) {
  for (bool sampled : {false, true})
    for (double temperature : {1.0, 0.5, 2.0})
      for (bool open : {false, true})
        for (double x : {-0.61, 0.05, 0.3, 0.93, 2.0}) {
          CategoricalRule rule = mean_on(-4, 3, open);
          rule.sampled = sampled;
          rule.temperature = temperature;
          rule.noise = RandomStream(3, "test");
          const std::array<double, 3> at{x, 0.25, 0.09};
          const Derivatives found = derivatives(at[0], at[1], at[2], rule);
          const double h = 1e-6;
          const std::array<double, 3> gradient{found.x, found.alpha, found.sigma};
          for (int i = 0; i < 3; ++i)
            EXPECT_NEAR(gradient[static_cast<size_t>(i)],
                        (moved(at, i, h, rule) - moved(at, i, -h, rule)) / (2 * h), 1e-7)
                << "parameter " << i << ", x " << x << ", sampled " << sampled << ", open " << open
                << ", temperature " << temperature;
        }
}

// Autograd over an explicit axis of categories. `z` masks the points.
Tensor naive_mean(const Tensor& x, const Tensor& alpha, const Tensor& sigma, const Tensor& z,
                  int64_t low, int64_t high) {
  const auto cdf = [&](int64_t k) {  // of the edge below the integer k
    if (k == low) return torch::zeros_like(x);
    if (k == high + 1) return torch::ones_like(x);
    return torch::sigmoid((alpha * (static_cast<double>(k) - 0.5) - x) / sigma);
  };
  Tensor weighted = torch::zeros_like(x), total = torch::zeros_like(x);
  for (int64_t n = low; n <= high; ++n) {
    const Tensor pi = z[n - low] * (cdf(n + 1) - cdf(n));
    weighted = weighted + pi * static_cast<double>(n);
    total = total + pi;
  }
  return alpha * weighted / total;
}

// What an error is relative to: for y and dy/dx their largest values, for the gradients of alpha,
// sigma and each mask, which are sums over all elements, the sum of the terms without their signs.
std::vector<double> sizes_of_terms(const Tensor& x, double alpha, double sigma, const Tensor& z,
                                   int64_t low, const Tensor& upstream) {
  const auto each = [&](double value) {
    return torch::full_like(x, value, torch::kFloat64).requires_grad_();
  };
  const Tensor leaf = x.to(torch::kFloat64).requires_grad_(), a = each(alpha), s = each(sigma);
  const Tensor masks =
      z.view({-1, 1, 1}).expand({-1, x.size(0), x.size(1)}).clone().requires_grad_();
  const Tensor y = naive_mean(leaf, a, s, masks, low, low + z.numel() - 1);
  y.backward(upstream);
  const double of_masks = masks.grad().abs().sum({1, 2}).max().item<double>();
  const auto most = [](const Tensor& t) { return t.abs().max().item<double>(); };
  const auto all = [](const Tensor& t) { return t.abs().sum().item<double>(); };
  return {most(y), most(leaf.grad()), all(a.grad()), all(s.grad()), of_masks};
}

void expect_masked_is_naive(torch::ScalarType type, double tolerance) {
  const double alpha = 0.25;
  for (int64_t bits : {2, 3, 4})
    for (double ratio : {2.0, 3.0, 5.0})
      for (bool relaxed : {false, true}) {
        const int64_t low = -(int64_t{1} << (bits - 1)), high = -low - 1;
        torch::manual_seed(bits * 10 + relaxed);
        // Where cancellation leaves the naive sums some digits.
        const Tensor x =
            ((torch::rand({40, 10}, torch::kFloat64) * 1.2 - 0.6) * (high - low) * alpha)
                .to(torch::kFloat32);
        Tensor z = torch::rand({high - low + 1}, torch::kFloat64);
        z = relaxed ? z * 0.9 + 0.1 : (z > 0.3).to(torch::kFloat64);
        z[-low] = 1;
        const Tensor upstream = torch::rand({40, 10}, torch::kFloat64) + 0.1;
        const auto run = [&](torch::ScalarType t, bool fused) {
          const Tensor leaf = x.detach().to(t).clone().requires_grad_(),
                       masks = z.detach().to(t).clone().requires_grad_();
          const Tensor a = torch::full({1}, alpha, t).requires_grad_();
          const Tensor s = torch::full({1}, alpha / ratio, t).requires_grad_();
          const Tensor y = fused ? categorical_quantize(leaf, a, s, masks, mean_on(low, high, true))
                                 : naive_mean(leaf, a, s, masks, low, high);
          y.backward(upstream.to(t));
          return std::vector<Tensor>{y.detach(), leaf.grad(), a.grad(), s.grad(),
                                     masks.grad() * (z.to(t) > 0)};
        };
        const auto naive = run(torch::kFloat64, false), fused = run(type, true);
        const std::vector<double> sizes = sizes_of_terms(x, alpha, alpha / ratio, z, low, upstream);
        for (size_t i = 0; i < naive.size(); ++i) {
          EXPECT_LT((fused[i].to(torch::kFloat64) - naive[i]).abs().max().item<double>(),
                    tolerance * sizes[i])
              << "result " << i << ", bits " << bits << ", ratio " << ratio << ", relaxed "
              << relaxed;
        }
      }
}

TEST(Categories, OfMasksAreTheNaiveSumsInFloat32) { expect_masked_is_naive(torch::kFloat32, 1e-5); }
TEST(Categories, OfMasksAreTheNaiveSumsInFloat64) {
  expect_masked_is_naive(torch::kFloat64, 1e-12);
}

TEST(SemiRelaxed, RoundsAtEverySigmaAndItsProbabilitiesHarden) {
  const Tensor x = random_tensor({1000}, 4);
  for (double sigma : {0.3, 0.03, 0.003}) {
    const Tensor y =
        semi_relaxed_quantize(x, values({0.3f}), values({static_cast<float>(sigma)}), -4, 3);
    EXPECT_TRUE(torch::equal(y, (x * (1 / 0.3f)).round().clamp(-4, 3) * 0.3f));
  }
  const auto q = probabilities(0.31, 0.25, 0.25 / 300, mean_on(-4, 3, true));
  // That of the nearest point cannot be read off where it is the mean.
  for (size_t i : {0, 1, 2, 3, 4, 6, 7}) EXPECT_NEAR(q[i], 0, 1e-12);
}

TEST(SemiRelaxed, IsTheClippedStraightThroughEstimatorAtHalfAStep) {
  const auto at = [](double x, int64_t low, int64_t high) {
    const Tensor leaf = parameter(x), a = parameter(1), s = parameter(0.5);
    semi_relaxed_quantize(leaf, a, s, low, high).sum().backward();
    return std::make_pair(leaf.grad().item<double>(), a.grad().item<double>());
  };
  // Poisson's sum of logistic densities one step apart: 1 - A cos(2 pi x) with the density's
  // characteristic function at 2 pi, A = 2 pi^2 / sinh(pi^2) = 0.00204 for sigma = 1/2. The 0.998
  // of the paper's reading is 0.99796, and on the grid -8..7 the edges that are missing
  // take 2.9e-4.
  const double pi = std::acos(-1), wave = 2 * pi * pi / std::sinh(pi * pi);
  EXPECT_NEAR(1 - wave, 0.998, 5e-5);
  for (double x = -3; x <= 3; x += 0.1) {
    EXPECT_NEAR(at(x, -32, 31).first, 1 - wave * std::cos(2 * pi * x), 1e-6) << x;
    EXPECT_NEAR(at(x, -8, 7).first, at(x, -32, 31).first, 3e-4) << x;
  }
  EXPECT_NEAR(at(30, -8, 7).first, 0, 1e-9);
  EXPECT_NEAR(at(2.3, -8, 7).second, -0.3037, 5e-5);
  EXPECT_NEAR(at(-3.6, -8, 7).second, -0.3969, 5e-5);
  EXPECT_NEAR(at(12, -8, 7).second, 7, 1e-2);
}

TEST(SemiRelaxed, HasTheSlopesOfTheTable) {
  const auto slope = [](double ratio, double x) {
    const Tensor leaf = parameter(x);
    semi_relaxed_quantize(leaf, wide({1}), wide({1 / ratio}), -8, 7).sum().backward();
    return leaf.grad().item<double>();
  };
  const std::vector<std::array<double, 3>> table{{3, 0.964, 1.037},
                                                 {4, 0.860, 1.144},
                                                 {6, 0.544, 1.530},
                                                 {10, 0.133, 2.501},
                                                 {20, 0.0018, 5.00}};
  for (const auto& [ratio, at_point, at_edge] : table) {
    EXPECT_NEAR(slope(ratio, 0), at_point, 6e-4);
    EXPECT_NEAR(slope(ratio, 0.5), at_edge, 6e-4);
  }
}

TEST(DropBits, WithAllMasksOneIsSrq) {
  const Tensor x = random_tensor({500}, 5).to(torch::kFloat64);
  const Tensor upstream = random_tensor({500}, 6).to(torch::kFloat64);
  CategoricalRule rule;
  rule.low = -4;
  rule.high = 3;
  const auto run = [&](bool masked) {
    const Tensor leaf = x.clone().requires_grad_(), a = parameter(0.3), s = parameter(0.1);
    const Tensor y = masked ? categorical_quantize(leaf, a, s, torch::ones({8}), rule)
                            : semi_relaxed_quantize(leaf, a, s, -4, 3);
    y.backward(upstream);
    return std::vector<Tensor>{y, leaf.grad(), a.grad(), s.grad()};
  };

  const auto srq = run(false), masked = run(true);

  EXPECT_TRUE(torch::equal(srq[0], masked[0]));
  for (size_t i = 1; i < srq.size(); ++i)
    EXPECT_TRUE(torch::allclose(srq[i], masked[i], 1e-10, 1e-10)) << i;
}

TEST(DropBits, WithOnePointLeftIsConstant) {
  Tensor z = torch::zeros({8});
  z[6] = 1;
  CategoricalRule rule;
  rule.low = -4;
  rule.high = 3;
  const Tensor x = random_tensor({100}, 7).requires_grad_();
  const Tensor y = categorical_quantize(x, values({0.5f}), values({0.2f}), z, rule);
  y.sum().backward();

  EXPECT_TRUE(torch::equal(y, torch::full({100}, 1.0f)));
  EXPECT_EQ(x.grad().abs().max().item<float>(), 0);
  EXPECT_THROW(categorical_quantize(x, values({0.5f}), values({0.2f}), torch::zeros({8}), rule),
               Error);
}

TEST(DropBits, TakesTheNearestPointKept) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    torch::manual_seed(seed);
    const Tensor x = torch::randn({500}) * 4;
    Tensor z = (torch::rand({16}) > 0.5).to(torch::kFloat32);
    z[8] = 1;
    CategoricalRule rule;
    rule.low = -8;
    rule.high = 7;

    const Tensor y = categorical_quantize(x, values({1}), values({1.0f / 3}), z, rule);

    const Tensor kept = torch::nonzero(z).flatten().to(torch::kFloat32) - 8;
    const Tensor distance = (x.unsqueeze(1) - kept.unsqueeze(0)).abs();
    const Tensor nearest = distance.argmin(1);
    const Tensor two = std::get<0>(distance.topk(std::min<int64_t>(2, kept.numel()), 1, false));
    const Tensor clear = kept.numel() < 2 ? torch::ones({500}, torch::kBool)
                                          : two.select(1, 1) - two.select(1, 0) > 1e-4;
    EXPECT_TRUE(
        torch::equal(y.masked_select(clear), kept.index_select(0, nearest).masked_select(clear)))
        << seed;
  }
}

// One value, (x^ - t)^2 to be made least by steps down the gradient: which rules get there?
int reached(bool only_chosen) {
  const RandomStream random(11, "toy");
  const double alpha = 0.25;
  CategoricalRule rule;
  rule.low = -4;
  rule.high = 3;
  rule.only_chosen = only_chosen;
  Tensor x = torch::empty({300}, torch::kFloat64), t = torch::empty({300}, torch::kFloat64);
  for (uint64_t i = 0; i < 300; ++i) {
    x[static_cast<int64_t>(i)] = (random.uniform(2 * i) * 8 - 4) * alpha;
    t[static_cast<int64_t>(i)] = (static_cast<double>(random.below(2 * i + 1, 8)) - 4) * alpha;
  }
  Tensor y;
  for (int step = 0; step < 2000; ++step) {
    const Tensor leaf = x.detach().requires_grad_();
    y = only_chosen ? categorical_quantize(leaf, wide({alpha}), wide({alpha / 3}), {}, rule)
                    : semi_relaxed_quantize(leaf, wide({alpha}), wide({alpha / 3}), -4, 3);
    (y - t).square().sum().backward();
    x = (leaf - 0.02 * leaf.grad()).detach();
  }
  return ((y - t).abs() < 1e-9).sum().item<int>();
}

TEST(SemiRelaxed, ReachesEveryTargetOfTheToyProblemDenselyAndFewThroughTheChosenPoint) {
  EXPECT_EQ(reached(false), 300);
  EXPECT_LT(reached(true), 120);
}

TEST(RelaxedQuantization, DrawsPointsAsOftenAsTheirProbabilities) {
  constexpr int64_t kDraws = 1000000;
  CategoricalRule rule = mean_on(-2, 1, false);
  rule.hard = true;
  rule.sampled = true;
  rule.noise = RandomStream(7, "test");
  const Tensor y = categorical_quantize(torch::full({kDraws}, 0.3f), values({0.5f}),
                                        values({0.5f / 3}), {}, rule);
  const std::vector<double> wanted{0.001859, 0.036009, 0.416236, 0.545896};
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double found =
        (y == 0.5f * (static_cast<float>(i) - 2)).to(torch::kFloat64).mean().item<double>();
    const double deviation = std::sqrt(wanted[i] * (1 - wanted[i]) / kDraws);
    EXPECT_NEAR(found, wanted[i], 3 * deviation) << i;
  }
}

TEST(RelaxedQuantization, SamplesBecomeGridPointsAtLowTemperature) {
  CategoricalRule rule = mean_on(-4, 3, false);
  rule.sampled = true;
  const auto off_grid = [&](double temperature) {
    rule.temperature = temperature;
    const Tensor y =
        categorical_quantize(random_tensor({2000}, 8), values({0.5f}), values({0.2f}), {}, rule) /
        0.5f;
    return (y - y.round()).abs().mean().item<double>();
  };
  EXPECT_GT(off_grid(1), 0.1);
  EXPECT_LT(off_grid(0.01), 0.005);
}

TEST(RelaxedQuantization, LooksAtTheLocalGridOnly) {
  CategoricalRule rule = mean_on(-8, 7, false);
  rule.hard = true;
  rule.sampled = true;
  rule.local = 3;  // sigma = alpha/3: one step
  const Tensor x = random_tensor({20000}, 9, 2);
  const Tensor y = categorical_quantize(x, values({1}), values({1.0f / 3}), {}, rule);
  EXPECT_LE((y - x.round().clamp(-8, 7)).abs().max().item<float>(), 1.0f);
  EXPECT_GT((y != x.round().clamp(-8, 7)).sum().item<int64_t>(), 1000);
}

TEST(RelaxedQuantization, KeepsTheNeighboursInALocalGridOfLittleNoise) {
  CategoricalRule rule = mean_on(-8, 7, false);
  rule.hard = true;
  rule.sampled = true;
  const Tensor x = random_tensor({2000}, 9, 2);
  const auto gradient = [&](double local) {
    rule.local = local;
    const Tensor leaf = x.clone().requires_grad_();
    categorical_quantize(leaf, values({1}), values({0.2f}), {}, rule).sum().backward();
    return leaf.grad();
  };
  // 3 sigma are less than a step.
  const Tensor little = gradient(3);
  EXPECT_TRUE(same_bits(little, gradient(5)));
  EXPECT_GT((little.abs() > 1e-3).sum().item<int64_t>(), 1500);
}

TEST(RelaxedQuantization, MakesItsNoiseAgainAndNeverByThreads) {
  CategoricalRule rule = mean_on(-8, 7, false);
  rule.sampled = true;
  const Tensor x = random_tensor({50000}, 10, 2);
  const int before = torch::get_num_threads();
  const auto gradient = [&](int threads, uint64_t seed) {
    torch::set_num_threads(threads);
    rule.noise = RandomStream(seed, "test");
    const Tensor leaf = x.clone().requires_grad_();
    categorical_quantize(leaf, values({1}), values({0.4f}), {}, rule).square().sum().backward();
    return leaf.grad();
  };
  const Tensor one = gradient(1, 1), four = gradient(4, 1), other = gradient(1, 2);
  torch::set_num_threads(before);
  EXPECT_TRUE(same_bits(one, four));
  EXPECT_FALSE(torch::equal(one, other));
}

}  // namespace
}  // namespace quantbench::srq
