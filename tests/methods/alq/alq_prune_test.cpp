// Pruning: what a removal is predicted to cost, and which ones happen.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "methods/alq/prune.h"
#include "tests/methods/support.h"

namespace quantbench::alq {
namespace {

std::shared_ptr<MultiBitQuantizer> made(torch::IntArrayRef shape, int bases, uint64_t seed = 1,
                                        double deviation = 1) {
  const Groups groups = groups_of(shape, Grouping::Channel, 1);
  const Sketched start = sketch(groups, random_tensor(shape, seed, deviation), bases);
  return std::make_shared<MultiBitQuantizer>(groups, bases, &start, false);
}

void accumulate(MultiBitQuantizer& quantizer, const Tensor& gradient) {
  quantizer.train();
  const Batch batch;
  (quantizer.forward({}, {batch, nullptr, Rows::Parameter}) * gradient).sum().backward();
  quantizer.step_moments();
}

TEST(AlqPrune, TheCostIsExactOnADiagonalQuadraticLoss) {
  // loss(a) = g a' + h a'^2 / 2 around the coordinate's value, with a' its change.
  const double a = 0.7, g = 0.3, largest = 4;
  kernels::Amsgrad amsgrad(1, 1000000);  // long after the bias corrections have faded
  amsgrad.rate = 1;
  amsgrad.curvature = 1;
  const double h = std::sqrt(largest) + 1e-8;

  const double cost = kernels::removal_cost(a, g, largest, amsgrad);

  const auto loss = [&](double at) { return g * (at - a) + 0.5 * h * (at - a) * (at - a); };
  EXPECT_NEAR(cost, loss(0) - loss(a), 1e-7);
}

TEST(AlqPrune, AnEpochLeavesTheExpectedShare) {
  struct Row {
    double share;
    int batches;
    double left;
  };
  for (const Row& row : {Row{0.8, 391, 0.449}, {0.4, 352, 0.670}}) {
    std::vector<std::shared_ptr<MultiBitQuantizer>> weights{made({400, 10}, 5),
                                                            made({800, 9}, 5, 2)};
    PruneRule rule{row.share, 0.02, static_cast<double>(row.batches), 0};
    double before = 0, after = 0;
    for (const auto& w : weights) {
      accumulate(*w, random_tensor(w->groups().shape, 3));
      before += static_cast<double>(w->bases());
    }
    const RandomStream random(1, "prune");
    int64_t last = static_cast<int64_t>(before);
    for (int batch = 0; batch < row.batches; ++batch) {
      prune(weights, rule, 1e-3, random.child(static_cast<uint64_t>(batch)));
      int64_t now = 0;
      for (const auto& w : weights) now += w->bases();
      EXPECT_LE(now, last);
      last = now;
    }
    for (const auto& w : weights) after += static_cast<double>(w->bases());

    EXPECT_NEAR(after / before, row.left, 0.01);
  }
}

TEST(AlqPrune, ManyBatchesMeetTheSameLaw) {
  const PruneShares shares = shares_of({0.15, 0.0005, 4810, 0});

  const double left = std::pow(1 - shares.proposed * shares.removed, 4810);

  EXPECT_NEAR(left, 0.861, 0.01 * 0.861);
  EXPECT_EQ(shares.proposed, 0.0005);
}

TEST(AlqPrune, ProposesMoreWhereFewBatchesWouldNotReachTheShare) {
  const PruneShares shares = shares_of({0.8, 0.005, 10, 0});

  EXPECT_DOUBLE_EQ(shares.proposed, 0.08);
  EXPECT_DOUBLE_EQ(shares.removed, 1);
}

TEST(AlqPrune, TakesTheCheapestOfAllWeights) {
  // The second weight's coordinates are a hundred times smaller, at the same curvature.
  std::vector<std::shared_ptr<MultiBitQuantizer>> weights{made({50, 10}, 4),
                                                          made({50, 10}, 4, 2, 0.01)};
  for (const auto& w : weights) accumulate(*w, random_tensor({50, 10}, 3));
  const int64_t first = weights[0]->bases(), second = weights[1]->bases();

  const int64_t removed = prune(weights, {0.2, 0.4, 1, 0}, 0, RandomStream(1, "prune"));

  EXPECT_NEAR(static_cast<double>(removed), 0.2 * static_cast<double>(first + second), 1.5);
  EXPECT_EQ(weights[0]->bases(), first);
  EXPECT_EQ(weights[1]->bases(), second - removed);
}

// The positions among what is left must stay those of their own costs.
TEST(AlqPrune, RemovesExactlyTheCoordinatesOfLeastCost) {
  std::vector<std::shared_ptr<MultiBitQuantizer>> weights{made({30, 12}, 5)};
  MultiBitQuantizer& weight = *weights[0];
  accumulate(weight, random_tensor({30, 12}, 3));
  for (uint64_t round = 0; round < 6; ++round) {
    std::multiset<double> expected;
    const auto costs = weight.removal_costs(1e-3);
    for (int64_t g = 0; g < 30; ++g)
      for (int64_t i = 0; i < weight.counts()[g].item<int64_t>(); ++i)
        expected.insert(costs[static_cast<size_t>(g * weight.width() + i)]);

    const int64_t removed = prune(weights, {0.1, 0.1, 1, 0}, 1e-3, RandomStream(round, "prune"));

    ASSERT_GT(removed, 0);
    for (int64_t i = 0; i < removed; ++i) expected.erase(expected.begin());
    std::multiset<double> left;
    const auto now = weight.removal_costs(1e-3);
    for (int64_t g = 0; g < 30; ++g)
      for (int64_t i = 0; i < weight.counts()[g].item<int64_t>(); ++i)
        left.insert(now[static_cast<size_t>(g * weight.width() + i)]);
    EXPECT_EQ(left, expected);
    const torch::NoGradGuard no_grad;
    const Batch batch;
    weight.eval();
    EXPECT_TRUE(same_bits(decode(weight.encode({})),
                          weight.forward({}, {batch, nullptr, Rows::Parameter})));
  }
}

TEST(AlqPrune, EndsAtTheTarget) {
  std::vector<std::shared_ptr<MultiBitQuantizer>> weights{made({50, 10}, 4)};
  accumulate(*weights[0], random_tensor({50, 10}, 3));
  for (uint64_t i = 0; i < 20; ++i) prune(weights, {0.5, 0.5, 1, 1.5}, 0, RandomStream(i, "prune"));

  EXPECT_LE(average_bits(weights), 1.5);
  EXPECT_GT(average_bits(weights), 1.5 - 1.0 / 50);
}

}  // namespace
}  // namespace quantbench::alq
