// Structured sketching and the least squares under it.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "methods/alq/quantizer.h"
#include "tests/methods/support.h"

namespace quantbench::alq {
namespace {

// B of the patterns, float64 [n, bases].
Tensor signs_of(const std::vector<uint8_t>& patterns, int bases) {
  Tensor out = torch::empty({static_cast<int64_t>(patterns.size()), bases}, torch::kFloat64);
  for (size_t j = 0; j < patterns.size(); ++j)
    for (int i = 0; i < bases; ++i)
      out[static_cast<int64_t>(j)][i] = (patterns[j] >> i) & 1 ? 1.0 : -1.0;
  return out;
}

TEST(AlqSolve, LeastSquaresAreTheNormalEquations) {
  for (int bases = 1; bases <= kMostBases; ++bases) {
    torch::manual_seed(static_cast<uint64_t>(bases));
    const int64_t n = 300;
    const Tensor w = torch::randn({n}, torch::kFloat64), h = torch::rand({n}, torch::kFloat64) + .1;
    std::vector<uint8_t> patterns;
    PatternSums sums(bases);
    for (int64_t j = 0; j < n; ++j) {
      patterns.push_back(static_cast<uint8_t>(
          RandomStream(7, "patterns").below(static_cast<uint64_t>(j), uint64_t{1} << bases)));
      sums.add(patterns.back(), h[j].item<double>(), w[j].item<double>());
    }

    const Fit fit = least_squares(sums, bases);

    const Tensor b = signs_of(patterns, bases);
    const Tensor left = b.t().mm(h.unsqueeze(1) * b), right = b.t().mv(h * w);
    const Tensor expected = torch::mv(torch::inverse(left), right);
    ASSERT_TRUE(fit.solved);
    for (int i = 0; i < bases; ++i)
      EXPECT_NEAR(fit.coordinates[i], expected[i].item<double>(), 1e-12) << bases;
  }
}

TEST(AlqSolve, RefusesBasesThatDependOnEachOther) {
  PatternSums sums(2);
  sums.add(0b00, 1, 0.5);
  sums.add(0b11, 1, 1.5);

  EXPECT_FALSE(least_squares(sums, 2).solved);
}

TEST(AlqSolve, FindsEqualAndOppositeBases) {
  PatternSums equal(3), opposite(3), none(3);
  for (unsigned p : {0b000u, 0b101u, 0b111u}) equal.add(static_cast<uint8_t>(p), 1, 1);
  for (unsigned p : {0b001u, 0b110u, 0b010u}) opposite.add(static_cast<uint8_t>(p), 1, 1);
  for (unsigned p : {0b000u, 0b001u, 0b010u, 0b100u}) none.add(static_cast<uint8_t>(p), 1, 1);

  const Twins a = find_twins(equal, 3), b = find_twins(opposite, 3);
  EXPECT_EQ(std::tie(a.first, a.second, a.opposite), std::make_tuple(0, 2, false));
  EXPECT_EQ(std::tie(b.first, b.second, b.opposite), std::make_tuple(0, 1, true));
  EXPECT_LT(find_twins(none, 3).first, 0);
}

TEST(AlqSolve, TheNearestLevelIsThatOfTheWholeEnumeration) {
  for (int bases = 0; bases <= kMostBases; ++bases) {
    // Negative coordinates come about in coordinate steps.
    const Tensor a = random_tensor({kMostBases}, static_cast<uint64_t>(bases) + 1);
    const SortedLevels sorted(a.data_ptr<float>(), bases);
    float levels[kMostLevels];
    levels_of(a.data_ptr<float>(), bases, levels);
    const Tensor targets = random_tensor({500}, 99, 3);
    for (int64_t j = 0; j < targets.numel(); ++j) {
      const double target = targets[j].item<double>();
      double least = INFINITY;
      for (int p = 0; p < 1 << bases; ++p)
        least = std::min(least, std::abs(target - static_cast<double>(levels[p])));

      const uint8_t found = sorted.nearest(target);

      EXPECT_EQ(std::abs(target - static_cast<double>(levels[found])), least);
    }
  }
}

TEST(AlqSketch, LeavesAResidualOrthogonalToItsBases) {
  const int64_t n = 64;
  const Tensor w = random_tensor({n}, 3);
  std::vector<uint8_t> patterns(static_cast<size_t>(n));

  const kernels::Sketch s = kernels::sketch(w.data_ptr<float>(), n, 5, patterns.data());

  ASSERT_EQ(s.bases, 5);
  const Tensor b = signs_of(patterns, s.bases), exact = w.to(torch::kFloat64);
  const Tensor a = torch::from_blob(const_cast<double*>(s.coordinates), {s.bases}, torch::kFloat64);
  const Tensor expected = torch::mv(torch::inverse(b.t().mm(b)), b.t().mv(exact));
  const Tensor kept = b.mv(a), residual = exact - kept;
  EXPECT_LE((a - expected).abs().max().item<double>(), 1e-12);
  EXPECT_LE(b.t().mv(residual).abs().max().item<double>(), 1e-10);
  EXPECT_NEAR(exact.square().sum().item<double>(),
              (kept.square().sum() + residual.square().sum()).item<double>(), 1e-10);
  for (int i = 0; i + 1 < s.bases; ++i) {
    EXPECT_GT(s.coordinates[i], 0);
    EXPECT_LE(s.coordinates[i], s.coordinates[i + 1]);
  }
}

// The mean relative error on Gaussian weights that the dossier of the method lists.
TEST(AlqSketch, LosesTheExpectedShareOfGaussianWeights) {
  struct Row {
    int64_t length;
    int bases;
    double error;
  };
  for (const Row& row : {Row{64, 1, .354},
                         {64, 2, .123},
                         {64, 3, .048},
                         {128, 1, .360},
                         {128, 2, .123},
                         {128, 3, .050},
                         {512, 1, .363},
                         {512, 2, .124},
                         {512, 3, .050},
                         {512, 4, .0243},
                         {512, 6, .0075}}) {
    const Groups groups = groups_of({200, row.length}, Grouping::Channel, 1);
    const Tensor weight = random_tensor({200, row.length}, 5);
    const Sketched sketched = sketch(groups, weight, row.bases);
    const MultiBitQuantizer made(groups, row.bases, &sketched, false);

    const Tensor lost = (decode(made.encode({})) - weight).square().sum(1) / weight.square().sum(1);

    EXPECT_NEAR(lost.mean().item<double>(), row.error, 0.05 * row.error)
        << row.length << " " << row.bases;
  }
}

TEST(AlqSketch, StopsWhereNothingIsLeft) {
  const Tensor binary = torch::tensor({0.5f, -0.5f, 0.5f, 0.5f});
  std::vector<uint8_t> patterns(4);

  EXPECT_EQ(kernels::sketch(binary.data_ptr<float>(), 4, 6, patterns.data()).bases, 1);
  const Tensor zeros = torch::zeros({4});
  EXPECT_EQ(kernels::sketch(zeros.data_ptr<float>(), 4, 6, patterns.data()).bases, 0);
}

}  // namespace
}  // namespace quantbench::alq
