#include "results/statistics/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"

namespace quantbench {
namespace {

TEST(Statistics, SummaryIsMeanAndUnbiasedDeviation) {
  const Summary s = summarize({2, 4, 4, 4, 5, 5, 7, 9});

  EXPECT_EQ(s.n, 8);
  EXPECT_DOUBLE_EQ(s.mean, 5);
  EXPECT_DOUBLE_EQ(s.std, std::sqrt(32.0 / 7));
}

TEST(Statistics, OneValueHasNoDeviationAndNoneNoMean) {
  EXPECT_TRUE(std::isnan(summarize({3}).std));
  EXPECT_DOUBLE_EQ(summarize({3}).mean, 3);
  EXPECT_TRUE(std::isnan(summarize({}).mean));
}

TEST(Statistics, SignFlipOfAllOneSignIsTwoInTwoToTheN) {
  EXPECT_DOUBLE_EQ(sign_flip_p({1}), 1);
  EXPECT_DOUBLE_EQ(sign_flip_p({1, 2, 3}), 2.0 / 8);
  EXPECT_DOUBLE_EQ(sign_flip_p({-1, -2, -3, -4, -5}), 2.0 / 32);
  EXPECT_DOUBLE_EQ(sign_flip_p({1, 1, 1, 1, 1, 1}), 2.0 / 64);
}

TEST(Statistics, SignFlipCountedByHand) {
  // Of the sums +-1 +-2 +-3 those at least 4 away from 0 are +-4 and +-6.
  EXPECT_DOUBLE_EQ(sign_flip_p({-1, 2, 3}), 4.0 / 8);
  EXPECT_DOUBLE_EQ(sign_flip_p({1, -1}), 1);
  EXPECT_DOUBLE_EQ(sign_flip_p({0, 0, 0}), 1);
  EXPECT_DOUBLE_EQ(sign_flip_p({}), 1);
}

TEST(Statistics, SignFlipAgreesWithBruteForce) {
  std::mt19937 engine(7);
  std::normal_distribution<double> draw(0.4, 1);
  for (size_t n = 1; n <= 12; ++n) {
    std::vector<double> d(n);
    for (double& x : d) x = draw(engine);
    double sum = 0, count = 0;
    for (double x : d) sum += x;
    for (uint32_t signs = 0; signs < (1u << n); ++signs) {
      double s = 0;
      for (size_t i = 0; i < n; ++i) s += (signs >> i & 1) ? d[i] : -d[i];
      count += std::abs(s) >= std::abs(sum) - 1e-9;
    }

    EXPECT_DOUBLE_EQ(sign_flip_p(d), count / std::exp2(n)) << n;
  }
}

TEST(Statistics, SignFlipIsExactForFortyAndRandomBeyond) {
  EXPECT_DOUBLE_EQ(sign_flip_p(std::vector<double>(30, 0.5)), 2 / std::exp2(30));
  std::vector<double> balanced;
  for (int i = 0; i < 50; ++i) balanced.push_back(i % 2 ? 1.0 + i : -1.0 - i);
  EXPECT_GT(sign_flip_p(balanced), 0.7);
  EXPECT_NEAR(sign_flip_p(std::vector<double>(50, 0.5)), 1.0 / 200001, 1e-12);
}

TEST(Statistics, SixPairsAreNeededForFivePercent) {
  EXPECT_EQ(pairs_needed(0.05), 6);
  EXPECT_EQ(pairs_needed(0.5), 2);
  EXPECT_EQ(pairs_needed(1.0 / 32), 6);
  EXPECT_EQ(pairs_needed(0.01), 8);
  EXPECT_THROW(pairs_needed(0), Error);
}

TEST(Statistics, McNemarAgainstHandCounts) {
  EXPECT_DOUBLE_EQ(mcnemar_p(0, 0), 1);
  EXPECT_DOUBLE_EQ(mcnemar_p(5, 5), 1);
  EXPECT_NEAR(mcnemar_p(0, 6), 2.0 / 64, 1e-12);
  // 2 * (1 + 10 + 45) / 1024.
  EXPECT_NEAR(mcnemar_p(2, 8), 112.0 / 1024, 1e-12);
  EXPECT_DOUBLE_EQ(mcnemar_p(2, 8), mcnemar_p(8, 2));
  EXPECT_THROW(mcnemar_p(-1, 2), Error);
}

TEST(Statistics, HolmOfThePapersKindOfExample) {
  const std::vector<double> adjusted = holm({0.01, 0.04, 0.03, 0.005});

  EXPECT_DOUBLE_EQ(adjusted[3], 0.02);
  EXPECT_DOUBLE_EQ(adjusted[0], 0.03);
  EXPECT_DOUBLE_EQ(adjusted[2], 0.06);
  EXPECT_DOUBLE_EQ(adjusted[1], 0.06);  // 0.04, raised to the one before it
  EXPECT_DOUBLE_EQ(holm({0.9, 0.8})[0], 1);
  EXPECT_TRUE(holm({}).empty());
}

TEST(Statistics, BootstrapOfEqualValuesIsAPoint) {
  const Interval interval = bootstrap_mean({0.25, 0.25, 0.25});

  EXPECT_DOUBLE_EQ(interval.low, 0.25);
  EXPECT_DOUBLE_EQ(interval.high, 0.25);
  EXPECT_THROW(bootstrap_mean({}), Error);
}

TEST(Statistics, BootstrapDependsOnItsSeedAlone) {
  const std::vector<double> values{-1, 0, 0, 1, 1, 0, 0, 1};

  EXPECT_EQ(bootstrap_mean(values).low, bootstrap_mean(values).low);
  EXPECT_EQ(bootstrap_mean(values).high, bootstrap_mean(values).high);
}

// Differences of paired answers: -1, 0 or 1. Of 1,000 intervals at 95 % about 950 hold the mean.
TEST(Statistics, BootstrapCoversTheMeanAsOftenAsItSays) {
  std::mt19937 engine(11);
  std::discrete_distribution<int> draw({0.05, 0.87, 0.08});
  constexpr int kTrials = 1000;
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(400);
    for (double& value : values) value = draw(engine) - 1;
    const Interval interval = bootstrap_mean(values, 0.95, 1000, static_cast<uint64_t>(trial));
    covered += interval.low <= 0.03 && 0.03 <= interval.high;
  }

  EXPECT_GE(covered, 925);
  EXPECT_LE(covered, 970);
}

TEST(Statistics, RatioIsGeometricWithStudentsInterval) {
  const RatioSummary r = mean_ratio({0.5, 0.5, 2.0, 2.0});

  EXPECT_DOUBLE_EQ(r.ratio, 1);
  EXPECT_NEAR(r.interval.low * r.interval.high, 1, 1e-12);
  // t(3, 0.975) = 3.1824, s = ln 2 * sqrt(4 / 3), over sqrt 4.
  EXPECT_NEAR(std::log(r.interval.high), 3.182446 * std::log(2.0) * std::sqrt(4.0 / 3) / 2, 1e-5);
  EXPECT_TRUE(std::isnan(mean_ratio({0.5}).interval.low));
  EXPECT_THROW(mean_ratio({0.0}), Error);
}

}  // namespace
}  // namespace quantbench
