#include "methods/common/step_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace quantbench::kernels {
namespace {

Staircase crowded() {
  Staircase out{-2, {}, {}};
  for (int i = 0; i < 15; ++i) {
    out.edges.push_back(0.2 + 0.3 * i + 0.02 * i * i);
    out.heights.push_back(i % 2 ? 1 : 0.5);
  }
  return out;
}

// The sum, and the sum of what it is made of without signs.
std::pair<double, double> sum_at(const Staircase& s, double slope, double position, Curve curve) {
  double sum = curve == Curve::Value ? s.lowest : 0, size = std::abs(sum);
  for (size_t i = 0; i < s.edges.size(); ++i) {
    const double from = position - s.edges[i], u = slope * from, up = 1 / (1 + std::exp(-u));
    const double down = 1 / (1 + std::exp(u));
    const double part = s.heights[i] * up *
                        (curve == Curve::Value   ? 1
                         : curve == Curve::Slope ? down
                                                 : down * from);
    sum += part;
    size += std::abs(part);
  }
  return {sum, size};
}

TEST(CurveTable, IsTheSumOfItsSigmoids) {
  const Staircase s = crowded();
  std::vector<float> positions;
  for (int i = 0; i < 1600; ++i) positions.push_back(static_cast<float>(-3 + 0.01 * i));
  for (double slope : {1.0, 5.0, 15.0, 30.0})
    for (Curve curve : {Curve::Value, Curve::Slope, Curve::Moment}) {
      // What a distance multiplies falls later.
      const double reach = curve == Curve::Moment ? 21 : 14;
      const auto table = curve_table(s, slope, reach, curve, slope > 10 ? 64 : 32);
      ASSERT_TRUE(table) << slope;
      std::vector<float> y(positions.size());
      look_up(*table, positions.data(), y.data(), static_cast<int64_t>(y.size()));
      double worst = 0, largest = 0;
      for (size_t i = 0; i < y.size(); ++i) {
        const auto [sum, size] = sum_at(s, slope, static_cast<double>(positions[i]), curve);
        worst = std::max(worst, std::abs(static_cast<double>(y[i]) - sum));
        largest = std::max(largest, size);
      }
      // The place in a cell is a float32: at a slope of 30, and in moments, that is what is seen.
      EXPECT_LT(worst, (curve == Curve::Moment ? 15e-6
                        : slope > 15           ? 8e-6
                                               : 4e-6) *
                           largest)
          << slope;
    }
}

TEST(CurveTable, KeepsNanAndStaysWhatItIsBeyondItsEnds) {
  const auto table = curve_table(crowded(), 5, 14, Curve::Value, 32);
  ASSERT_TRUE(table);
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x(16, 0);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  x[5] = infinity;
  x[6] = -infinity;
  x[7] = 1e30f;

  look_up(*table, x.data(), x.data(), 16);

  EXPECT_TRUE(std::isnan(x[3]));
  EXPECT_NEAR(x[5], -2 + 11, 1e-4);
  EXPECT_NEAR(x[6], -2, 1e-4);
  EXPECT_EQ(x[7], x[5]);
}

TEST(CurveTable, IsNoneWhereItsCellsWouldBeTooWide) {
  EXPECT_FALSE(curve_table(crowded(), 200, 14, Curve::Value, 64));
  EXPECT_FALSE(curve_table(Staircase::integers(0, 255), 1, 14, Curve::Value, 64));
}

}  // namespace
}  // namespace quantbench::kernels
