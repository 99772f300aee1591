#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quantbench {
namespace {

constexpr int draws = 20000;

TEST(RandomStream, GivesTheSameNumberForTheSameKeyAndCounter) {
  const RandomStream one(7, "order"), other(7, "order");

  EXPECT_EQ(one.bits(123), other.bits(123));
  EXPECT_EQ(one.child(3).bits(5), other.child(3).bits(5));
  EXPECT_EQ(one.seed(), other.seed());
}

TEST(RandomStream, DiffersByPurposeSeedChildAndCounter) {
  const RandomStream stream(7, "order");

  EXPECT_NE(stream.bits(0), RandomStream(7, "augment").bits(0));
  EXPECT_NE(stream.bits(0), RandomStream(8, "order").bits(0));
  EXPECT_NE(stream.bits(0), stream.child(0).bits(0));
  EXPECT_NE(stream.child(0).bits(0), stream.child(1).bits(0));
  EXPECT_NE(stream.bits(0), stream.bits(1));
}

// Written down once: a change would silently make every earlier run irreproducible.
TEST(RandomStream, KeepsItsNumbersForEver) {
  const RandomStream stream(0, "init");

  EXPECT_EQ(stream.bits(0), 0x6733282f0ddd69f7ULL);
  EXPECT_EQ(permutation(8, stream), (std::vector<int64_t>{5, 6, 0, 1, 2, 3, 7, 4}));
}

TEST(RandomStream, DrawsUniformNumbersWithTheRightMoments) {
  const RandomStream stream(1, "test");
  double sum = 0, squares = 0;
  for (int i = 0; i < draws; ++i) {
    const double u = stream.uniform(static_cast<uint64_t>(i));
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }

  // Five standard errors of the mean of u and of u^2.
  EXPECT_NEAR(sum / draws, 1.0 / 2, 5 * std::sqrt(1.0 / 12 / draws));
  EXPECT_NEAR(squares / draws, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / draws));
}

TEST(RandomStream, DrawsNormalNumbersWithTheRightMoments) {
  const RandomStream stream(1, "test");
  double sum = 0, squares = 0;
  for (int i = 0; i < draws; ++i) {
    const double z = stream.normal(static_cast<uint64_t>(i));
    sum += z;
    squares += z * z;
  }

  EXPECT_NEAR(sum / draws, 0, 5 * std::sqrt(1.0 / draws));
  EXPECT_NEAR(squares / draws, 1, 5 * std::sqrt(2.0 / draws));
}

TEST(RandomStream, DrawsEveryIntegerBelowTheBoundEquallyOften) {
  const RandomStream stream(1, "test");
  std::vector<int> count(10);
  for (int i = 0; i < draws; ++i) ++count[stream.below(static_cast<uint64_t>(i), 10)];

  double chi_squared = 0;
  for (int c : count) chi_squared += (c - draws / 10.0) * (c - draws / 10.0) / (draws / 10.0);
  EXPECT_LT(chi_squared, 33.7);  // 9 degrees of freedom, p = 1e-4
}

TEST(Permutation, HoldsEveryNumberOnce) {
  std::vector<int64_t> order = permutation(1000, RandomStream(3, "order"));
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));

  std::sort(order.begin(), order.end());

  std::vector<int64_t> all(1000);
  std::iota(all.begin(), all.end(), int64_t{0});
  EXPECT_EQ(order, all);
}

TEST(Permutation, OfNothingIsEmpty) { EXPECT_TRUE(permutation(0, RandomStream(3, "x")).empty()); }

}  // namespace
}  // namespace quantbench
