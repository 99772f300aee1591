#include "methods/quantization_networks/levels.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "methods/common/staircase.h"
#include "tests/methods/support.h"

namespace quantbench::qn {
namespace {

TEST(Levels, AreThoseOfThePaper) {
  using List = std::vector<double>;
  EXPECT_EQ(weight_levels(BitWidth(1), LevelSet::Full), (List{-1, 1}));
  EXPECT_EQ(weight_levels(BitWidth(2), LevelSet::Full), (List{-1, 0, 1}));
  EXPECT_EQ(weight_levels(BitWidth(3), LevelSet::Short), (List{-2, -1, 0, 1, 2}));
  EXPECT_EQ(weight_levels(BitWidth(3), LevelSet::Powers), (List{-4, -2, -1, 0, 1, 2, 4}));
  EXPECT_EQ(weight_levels(BitWidth(5), LevelSet::Full).size(), 31u);
  EXPECT_EQ(weight_levels(BitWidth(5), LevelSet::Full).back(), 15);
  EXPECT_EQ(activation_levels(BitWidth(2)), (List{0, 1, 2, 3}));
  EXPECT_THROW(weight_levels(BitWidth(5), LevelSet::Powers), Error);
}

TEST(Levels, OfFoursHaveTheHeightsAndTheOffsetOfThePaper) {
  const Staircase s = Staircase::between(weight_levels(BitWidth(3), LevelSet::Powers),
                                         {-3, -1.5, -0.05, 0.05, 1.5, 3});
  EXPECT_EQ(s.heights, (std::vector<double>{2, 1, 1, 1, 1, 2}));
  EXPECT_EQ(s.lowest, -4);
  EXPECT_EQ(s.levels(), weight_levels(BitWidth(3), LevelSet::Powers));
}

// All ways to cut sorted values into clusters.
double least_cost(const std::vector<double>& x, size_t first, int64_t clusters) {
  if (clusters == 0) return first == x.size() ? 0 : INFINITY;
  double least = INFINITY;
  for (size_t last = first + 1; last <= x.size(); ++last) {
    double mean = 0, cost = 0;
    for (size_t i = first; i < last; ++i) mean += x[i] / static_cast<double>(last - first);
    for (size_t i = first; i < last; ++i) cost += (x[i] - mean) * (x[i] - mean);
    least = std::min(least, cost + least_cost(x, last, clusters - 1));
  }
  return least;
}

TEST(Clusters, AreTheBestOfAll) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor values = random_tensor({12}, seed).to(torch::kFloat64);
    const Tensor sorted = std::get<0>(values.sort());
    const std::vector<double> x(sorted.data_ptr<double>(), sorted.data_ptr<double>() + 12);
    for (int64_t k : {1, 2, 3, 5}) {
      const Tensor centres = torch::tensor(cluster_centres(values, k), torch::kFloat64);
      const Tensor distance = (values.unsqueeze(1) - centres.unsqueeze(0)).square();
      EXPECT_NEAR(std::get<0>(distance.min(1)).sum().item<double>(), least_cost(x, 0, k), 1e-9);
    }
  }
}

TEST(Clusters, OfNoisyLevelsHaveTheirMidpointsAsThresholds) {
  torch::manual_seed(3);
  const Tensor levels =
      torch::tensor(weight_levels(BitWidth(3), LevelSet::Powers), torch::kFloat64);
  const Tensor w = levels.index_select(0, torch::randint(0, 7, {20000})) +
                   torch::randn({20000}, torch::kFloat64) * 0.02;
  const auto thresholds = midpoints(cluster_centres(w, 7));
  const std::vector<double> wanted{-3, -1.5, -0.5, 0.5, 1.5, 3};
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(thresholds[i], wanted[i], 0.01);
}

TEST(Clusters, TakeFewerValuesThanThereAreClusters) {
  const auto centres = cluster_centres(torch::tensor({1.0f, 1.0f, 2.0f}), 4);
  EXPECT_EQ(centres.size(), 4u);
  EXPECT_TRUE(std::is_sorted(centres.begin(), centres.end()));
  EXPECT_EQ(cluster_centres(torch::zeros({100}), 3), (std::vector<double>{0, 0, 0}));
}

TEST(Start, PutsTheLargestValueAQuarterBeyondTheLastLevel) {
  const Tensor w = random_tensor({3000}, 5);
  const double largest = w.abs().max().item<double>();
  for (int64_t bits : {1, 2, 3}) {
    const Start start = start_of(w, largest, weight_levels(BitWidth(bits), LevelSet::Powers), {});
    EXPECT_DOUBLE_EQ(start.alpha * start.beta, 1);
    EXPECT_DOUBLE_EQ(start.beta * largest,
                     1.25 * weight_levels(BitWidth(bits), LevelSet::Powers).back());
  }
}

TEST(Start, HasThePapersBandOfZerosAndItsOneThresholdOfBinaryWeights) {
  const Tensor w = random_tensor({3000}, 6);
  const auto thresholds = [&](int64_t bits) {
    return start_of(w, 4, weight_levels(BitWidth(bits), LevelSet::Powers), {}).thresholds;
  };
  EXPECT_EQ(thresholds(1), (std::vector<double>{0}));
  EXPECT_EQ(thresholds(2), (std::vector<double>{-0.05, 0.05}));
  EXPECT_EQ(thresholds(3)[2], -0.05);
  EXPECT_EQ(thresholds(3)[3], 0.05);
  const auto three = thresholds(3);
  EXPECT_TRUE(std::is_sorted(three.begin(), three.end()));
}

TEST(Start, FitsAlphaToTheValuesWhereAsked) {
  const Tensor x = torch::relu(random_tensor({3000}, 8)).to(torch::kFloat64);
  const double largest = x.max().item<double>();
  const auto levels = activation_levels(BitWidth(2));
  StartRule rule{1.25, true, 0, true};
  const Start fitted = start_of(x, largest, levels, rule);
  rule.fitted = false;
  const Start published = start_of(x, largest, levels, rule);
  EXPECT_EQ(fitted.beta, published.beta);
  EXPECT_EQ(fitted.thresholds, published.thresholds);
  const auto error = [&](double alpha) {
    Tensor y = torch::zeros_like(x);
    for (double edge : fitted.thresholds) y += (x * fitted.beta > edge).to(torch::kFloat64);
    return (x - alpha * y).square().sum().item<double>();
  };
  EXPECT_LT(error(fitted.alpha), error(fitted.alpha * 1.01));
  EXPECT_LT(error(fitted.alpha), error(fitted.alpha * 0.99));
  // The outermost level follows a few large values as published: most come out too large.
  EXPECT_LT(error(fitted.alpha), error(published.alpha) / 4);

  const Start zeros = start_of(torch::zeros({10}), 0, levels, {1.25, true, 0, true});
  EXPECT_EQ(zeros.alpha, 1);
}

TEST(Start, TakesZerosAndActivations) {
  const Start zeros =
      start_of(torch::zeros({10}), 0, activation_levels(BitWidth(2)), {1.25, true, 0});
  EXPECT_EQ(zeros.beta, 1);
  EXPECT_EQ(zeros.thresholds.size(), 3u);
  const Start relu = start_of(torch::relu(random_tensor({3000}, 7)), 3.5,
                              activation_levels(BitWidth(2)), {1.25, true, 0});
  EXPECT_GT(relu.thresholds.front(), 0);
}

}  // namespace
}  // namespace quantbench::qn
