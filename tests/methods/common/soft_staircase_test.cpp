// Soft staircases against autograd through explicit sums of sigmoids, one tensor for each edge.
#include "methods/common/soft_staircase.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

constexpr kernels::Rectifier kRelu{0.0f, std::numeric_limits<float>::quiet_NaN()};
constexpr kernels::Rectifier kRelu6{0.0f, 6.0f};

Tensor scalar(double value, torch::ScalarType type) {
  return torch::full({1}, value, type).requires_grad_();
}

// What autograd makes of a function of x and two parameters. `sizes`: the sum of the magnitudes
// that cancel in the gradient of each parameter.
struct Outcome {
  Tensor y, dx, first, second;
  double first_size = 0, second_size = 0;
};

template <typename Function>
Outcome differentiate(const Tensor& x, double first, double second, const Tensor& upstream,
                      const Function& function) {
  const Tensor leaf = x.detach().clone(torch::MemoryFormat::Preserve).requires_grad_();
  const Tensor a = scalar(first, x.scalar_type()), b = scalar(second, x.scalar_type());
  const Tensor y = function(leaf, a, b);
  y.backward(upstream);
  return {y.detach(), leaf.grad(), a.grad(), b.grad()};
}

// The same with parameters of its own for each element, in double.
template <typename Function>
Outcome reference(const Tensor& x, double first, double second, const Tensor& upstream,
                  const Function& function) {
  const Tensor leaf = x.detach().to(torch::kFloat64).clone().requires_grad_();
  const Tensor a = torch::full_like(leaf, first).requires_grad_();
  const Tensor b = torch::full_like(leaf, second).requires_grad_();
  const Tensor y = function(leaf, a, b);
  y.backward(upstream.to(torch::kFloat64));
  return {y.detach(),
          leaf.grad(),
          a.grad().sum(),
          b.grad().sum(),
          a.grad().abs().sum().item<double>(),
          b.grad().abs().sum().item<double>()};
}

double distance(const Tensor& a, const Tensor& b) {
  const Tensor wide = b.to(torch::kFloat64);
  return ((a.to(torch::kFloat64) - wide).abs().max() / wide.abs().max().clamp_min(1e-3))
      .item<double>();
}

void expect_near(const Outcome& fused, const Outcome& naive, double tolerance,
                 const std::string& what) {
  EXPECT_LT(distance(fused.y, naive.y), tolerance) << what << ": value";
  EXPECT_LT(distance(fused.dx, naive.dx), tolerance) << what << ": d/dx";
  EXPECT_NEAR(fused.first.item<double>(), naive.first.item<double>(), tolerance * naive.first_size)
      << what << ": d/d first";
  EXPECT_NEAR(fused.second.item<double>(), naive.second.item<double>(),
              tolerance * naive.second_size)
      << what << ": d/d second";
}

Tensor rectify(const Tensor& x, const kernels::Rectifier& r) {
  if (std::isnan(r.low)) return x;
  return std::isnan(r.high) ? torch::relu(x) : r.high - torch::relu(r.high - torch::relu(x));
}

// In double: the reference of either precision.
Tensor naive_staircase(const Tensor& x, const Tensor& alpha, const Tensor& beta, const Staircase& s,
                       double t, double clamp) {
  Tensor sum = torch::full_like(x, s.lowest);
  for (size_t i = 0; i < s.edges.size(); ++i) {
    Tensor u = t * (beta * x - s.edges[i]);
    // As the public code: where the clamp holds, the slope is that of the clamp, not 0.
    if (clamp > 0) u = u + (u.clamp(-clamp, clamp) - u).detach();
    sum = sum + s.heights[i] * torch::sigmoid(u);
  }
  return alpha * sum;
}

const Staircase kFours =
    Staircase::between({-4, -2, -1, 0, 1, 2, 4}, {-3, -1.5, -0.05, 0.05, 1.5, 3});

std::vector<std::pair<std::string, Staircase>> staircases() {
  std::vector<std::pair<std::string, Staircase>> out{
      {"binary", Staircase::between({-1, 1}, {0})},
      {"binary of two steps", Staircase::between({-1, 0, 1}, {0, 0})},
      {"ternary", Staircase::between({-1, 0, 1}, {-0.05, 0.05})},
      {"+-4", kFours},
      {"2-bit activations", Staircase::between({0, 1, 2, 3}, {0.31, 1.2, 2.6})}};
  for (int64_t most : {15, 255}) {
    std::vector<double> levels{0}, edges;
    for (int64_t i = 1; i <= most; ++i) {
      levels.push_back(static_cast<double>(i));
      edges.push_back(static_cast<double>(i) - 0.5 + 0.2 * std::sin(static_cast<double>(3 * i)));
    }
    out.emplace_back(fmt::format("{} uneven steps", most), Staircase::between(levels, edges));
  }
  // As clusters of activations lie: close together near zero, far apart where they are few.
  std::vector<double> levels{0}, edges;
  for (int64_t i = 0; i < 15; ++i) {
    levels.push_back(static_cast<double>(i + 1));
    edges.push_back(0.2 + 0.33 * static_cast<double>(i) + 0.015 * static_cast<double>(i * i));
  }
  out.emplace_back("15 crowded steps", Staircase::between(levels, edges));
  return out;
}

Tensor samples(const Staircase& s, torch::ScalarType type, double beta) {
  const double low = s.edges.front() - 2, high = s.edges.back() + 2;
  torch::manual_seed(5);
  const Tensor inside = torch::rand({6, 5, 10, 10}, torch::kFloat64) * (high - low) + low;
  const Tensor edges = torch::tensor(s.edges, torch::kFloat64);
  Tensor all = inside.flatten();
  all.slice(0, 0, edges.size(0)).copy_(edges);
  all.slice(0, 600, 604).copy_(torch::tensor({0.0, 1e4, -1e4, -0.0}, torch::kFloat64));
  // The same numbers in both precisions.
  return (all / beta).view({6, 5, 10, 10}).to(torch::kFloat32).to(type);
}

void expect_fused_is_naive(torch::ScalarType type, double tolerance) {
  const double alpha = 0.16, beta = 6.25;
  for (const auto& [name, staircase] : staircases())
    for (double t : {1.0, 5.0, 12.0, 20.0, 27.0, 35.0, 50.0, 300.0, 2000.0})
      for (double clamp : {0.0, 10.0})
        for (const kernels::Rectifier& relu : {kernels::Rectifier{}, kRelu, kRelu6}) {
          const auto& s = staircase;
          const Tensor x = samples(s, type, beta);
          const Tensor upstream = random_tensor(x.sizes(), 6).to(type);
          const Outcome naive = reference(
              x, alpha, beta, upstream, [&](const Tensor& leaf, const Tensor& a, const Tensor& b) {
                return naive_staircase(rectify(leaf, relu), a, b, s, t, clamp);
              });
          for (bool kernels : {true, false}) {
            const Outcome fused = differentiate(
                x, alpha, beta, upstream,
                [&](const Tensor& leaf, const Tensor& a, const Tensor& b) {
                  return soft_staircase(leaf, a, b, s, {t, clamp, false, kernels}, relu);
                });
            // One unit in the last place of beta x moves u = T (beta x - b) by more.
            const double factor = std::max(1.0, t * std::max(1.0, s.edges.back()) / 50);
            expect_near(fused, naive, tolerance * factor,
                        fmt::format("{}, T {}, clamp {}, ReLU {}, kernels {}", name, t, clamp,
                                    relu.low, kernels));
          }
        }
}

TEST(SoftStaircase, IsTheNaiveSumInFloat32) { expect_fused_is_naive(torch::kFloat32, 1e-5); }
TEST(SoftStaircase, IsTheNaiveSumInFloat64) { expect_fused_is_naive(torch::kFloat64, 1e-12); }

// The value, and so alpha's gradient, is of one temperature, the other gradients are of another.
void expect_slopes_of_another_temperature(torch::ScalarType type, double tolerance) {
  for (const auto& [name, staircase] : staircases()) {
    const auto& s = staircase;
    const Tensor x = samples(s, type, 6.25);
    const Tensor upstream = random_tensor(x.sizes(), 6).to(type);
    const auto naive = [&](double t) {
      return reference(x, 0.16, 6.25, upstream,
                       [&](const Tensor& leaf, const Tensor& a, const Tensor& b) {
                         return naive_staircase(rectify(leaf, kRelu), a, b, s, t, 0);
                       });
    };
    Outcome expected = naive(40);
    const Outcome slopes = naive(3);
    expected.dx = slopes.dx;
    expected.second = slopes.second;
    expected.second_size = slopes.second_size;
    for (bool kernels : {true, false}) {
      const Outcome fused = differentiate(
          x, 0.16, 6.25, upstream, [&](const Tensor& leaf, const Tensor& a, const Tensor& b) {
            return soft_staircase(leaf, a, b, s, {40, 0, false, kernels, 3}, kRelu);
          });
      const double factor = std::max(1.0, 40 * std::max(1.0, s.edges.back()) / 50);
      expect_near(fused, expected, tolerance * factor,
                  fmt::format("{}, kernels {}", name, kernels));
    }
  }
}

TEST(SoftStaircase, TakesSlopesAtAnotherTemperature) {
  expect_slopes_of_another_temperature(torch::kFloat32, 1e-5);
  expect_slopes_of_another_temperature(torch::kFloat64, 1e-12);
}

// E[x^] and its derivatives, with m in the place of the mean where alpha scales it.
Tensor naive_semi_relaxed(const Tensor& x, const Tensor& alpha, const Tensor& sigma, int64_t low,
                          int64_t high) {
  const Tensor m = torch::round(x * (1 / alpha)).clamp(low, high).detach();
  Tensor mean = torch::full_like(x, low);
  for (int64_t k = low + 1; k <= high; ++k)
    mean = mean + torch::sigmoid((x - alpha * (static_cast<double>(k) - 0.5)) / sigma);
  // The estimator: dL/dpi_i = dL/dx^ g_i, dL/dg_i = dL/dx^ [i = m].
  return alpha.detach() * mean + (alpha * m - (alpha.detach() * mean).detach());
}

void expect_dense_is_naive(torch::ScalarType type, double tolerance) {
  const double alpha = 0.25;
  for (int64_t bits : {2, 3, 4, 8})
    for (bool is_signed : {true, false})
      for (double ratio : {1.0, 2.0, 3.0, 4.0, 7.0, 20.0})
        for (const kernels::Rectifier& relu : {kernels::Rectifier{}, kRelu}) {
          const int64_t low = is_signed ? -(int64_t{1} << (bits - 1)) : 0;
          const int64_t high = low + (int64_t{1} << bits) - 1;
          const Tensor x = samples(Staircase::integers(low, high), type, 1 / alpha);
          const Tensor upstream = random_tensor(x.sizes(), 6).to(type);
          const double sigma = alpha / ratio;
          const Outcome naive = reference(
              x, alpha, sigma, upstream, [&](const Tensor& leaf, const Tensor& a, const Tensor& s) {
                return naive_semi_relaxed(rectify(leaf, relu), a, s, low, high);
              });
          for (bool kernels : {true, false}) {
            const Outcome fused =
                differentiate(x, alpha, sigma, upstream,
                              [&](const Tensor& leaf, const Tensor& a, const Tensor& s) {
                                return semi_relaxed_quantize(leaf, a, s, low, high, relu, kernels);
                              });
            expect_near(fused, naive, tolerance,
                        fmt::format("{} bits, signed {}, alpha/sigma {}, ReLU {}, kernels {}", bits,
                                    is_signed, ratio, relu.low, kernels));
          }
        }
}

TEST(SemiRelaxed, IsTheNaiveSumInFloat32) { expect_dense_is_naive(torch::kFloat32, 1e-5); }
TEST(SemiRelaxed, IsTheNaiveSumInFloat64) { expect_dense_is_naive(torch::kFloat64, 1e-12); }

// Computed in float32 and rounded once; the gradients of the parameters see the rounded result.
template <typename Function>
void expect_bf16_is_float32_rounded(const Function& function) {
  const Tensor x = (2 * random_tensor({5000}, 11)).to(torch::kBFloat16),
               upstream = random_tensor({5000}, 12).to(torch::kBFloat16);
  const auto at = [&](torch::ScalarType type) {
    const Tensor leaf = x.to(type).detach().requires_grad_();
    const Tensor a = scalar(0.7, torch::kFloat32), b = scalar(1.3, torch::kFloat32);
    const Tensor y = function(leaf, a, b);
    EXPECT_EQ(y.scalar_type(), type);
    y.backward(upstream.to(type));
    return Outcome{y.detach(), leaf.grad(), a.grad(), b.grad()};
  };
  const Outcome narrow = at(torch::kBFloat16), wide = at(torch::kFloat32);
  EXPECT_TRUE(torch::equal(narrow.y, wide.y.to(torch::kBFloat16)));
  EXPECT_TRUE(torch::equal(narrow.dx, wide.dx.to(torch::kBFloat16)));
  const double size = upstream.abs().sum().item<double>();
  EXPECT_NEAR(narrow.first.item<double>(), wide.first.item<double>(), 1e-3 * size);
  EXPECT_NEAR(narrow.second.item<double>(), wide.second.item<double>(), 1e-3 * size);
}

TEST(SoftStaircase, IsInBf16WhatItIsInFloat32Rounded) {
  const Staircase staircase = Staircase::between({-1, 0, 1, 2}, {-0.6, 0.4, 1.5});
  Softness softness;
  softness.temperature = 6;
  expect_bf16_is_float32_rounded([&](const Tensor& x, const Tensor& a, const Tensor& b) {
    return soft_staircase(x, a, b, staircase, softness, kRelu);
  });
}

TEST(SemiRelaxed, IsInBf16WhatItIsInFloat32Rounded) {
  expect_bf16_is_float32_rounded([&](const Tensor& x, const Tensor& a, const Tensor& b) {
    return semi_relaxed_quantize(x, a, b, 0, 15, kRelu6);
  });
}

TEST(SoftStaircase, KeepsTheMemoryFormatInBothDirections) {
  const Tensor x = channels_last(random_tensor({2, 3, 4, 5}, 11)).requires_grad_();
  const Tensor one = torch::ones({1});

  const Tensor y = soft_staircase(x, one, one, kFours, {5});
  y.sum().backward();
  const Tensor of_x = x.grad().clone(torch::MemoryFormat::Preserve);
  const Tensor z = semi_relaxed_quantize(x, one, one, -2, 1);

  EXPECT_EQ(y.strides(), x.strides());
  EXPECT_EQ(of_x.strides(), x.strides());
  EXPECT_EQ(z.strides(), x.strides());
  EXPECT_TRUE(torch::allclose(of_x, [&] {
    const Tensor plain = x.detach().contiguous().requires_grad_();
    soft_staircase(plain, one, one, kFours, {5}).sum().backward();
    return plain.grad();
  }()));
}

TEST(SoftStaircase, NeverDependsOnTheNumberOfThreads) {
  const Tensor x = random_tensor({70000}, 12, 2);
  const Tensor upstream = random_tensor({70000}, 13);
  const int before = torch::get_num_threads();
  const auto outcome = [&](int threads) {
    torch::set_num_threads(threads);
    return std::vector<Outcome>{
        differentiate(x, 0.3, 3, upstream,
                      [](const Tensor& leaf, const Tensor& a, const Tensor& b) {
                        return soft_staircase(leaf, a, b, kFours, {20});
                      }),
        differentiate(x, 0.3, 0.1, upstream,
                      [](const Tensor& leaf, const Tensor& a, const Tensor& b) {
                        return semi_relaxed_quantize(leaf, a, b, -8, 7);
                      })};
  };

  const auto one = outcome(1), four = outcome(4);
  torch::set_num_threads(before);

  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(same_bits(one[i].y, four[i].y));
    EXPECT_TRUE(same_bits(one[i].dx, four[i].dx));
    EXPECT_TRUE(same_bits(one[i].first, four[i].first));
    EXPECT_TRUE(same_bits(one[i].second, four[i].second));
  }
}

TEST(SoftStaircase, KeepsNanAndSaturatesAtInfinity) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor x = values({std::numeric_limits<float>::quiet_NaN(), infinity, -infinity});
  const Tensor one = torch::ones({1});
  for (double t : {1.0, 20.0, 1000.0}) {
    const Tensor y = soft_staircase(x, one, one, kFours, {t});
    EXPECT_TRUE(torch::isnan(y[0]).item<bool>());
    EXPECT_NEAR(y[1].item<float>(), 4, 1e-5);
    EXPECT_NEAR(y[2].item<float>(), -4, 1e-5);
  }
}

TEST(SoftStaircase, TakesEmptyTensorsAndRefusesASecondDerivative) {
  const Tensor one = torch::ones({1});
  EXPECT_EQ(soft_staircase(torch::empty({0, 3}), one, one, kFours).numel(), 0);
  const Tensor x = random_tensor({4}, 14).requires_grad_();
  for (const Tensor& y :
       {soft_staircase(x, one, one, kFours, {5}), semi_relaxed_quantize(x, one, one, -2, 1)})
    EXPECT_THROW(torch::autograd::grad({y.sum()}, {x}, {}, true, /*create_graph=*/true), Error);
}

}  // namespace
}  // namespace quantbench
