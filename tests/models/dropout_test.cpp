#include "models/dropout.h"

#include <gtest/gtest.h>

#include <cmath>

namespace quantbench {
namespace {

TEST(Dropout, DropsItsShareAndKeepsTheMean) {
  torch::manual_seed(1);
  for (double p : {0.0, 0.1, 0.5, 0.9}) {
    const int64_t n = 1000000;
    const Tensor y = dropout(torch::ones({n / 10, 10}), p);

    const double zeros = (y == 0).sum().item<double>() / static_cast<double>(n);
    EXPECT_NEAR(zeros, p, 4 * std::sqrt(p * (1 - p) / static_cast<double>(n))) << p;
    EXPECT_NEAR(y.max().item<double>(), 1 / (1 - p), 1e-6);
  }
}

TEST(Dropout, NeighboursAreIndependent) {
  torch::manual_seed(2);
  const Tensor kept = (dropout(torch::ones({1 << 20}), 0.5) > 0).to(torch::kDouble) - 0.5;
  for (int64_t lag : {1, 2, 7, 16, 64, 1 << 14}) {
    const int64_t n = kept.numel() - lag;
    const double correlation =
        4 * (kept.narrow(0, 0, n) * kept.narrow(0, lag, n)).mean().item<double>();
    EXPECT_LT(std::abs(correlation), 4 / std::sqrt(static_cast<double>(n))) << lag;
  }
}

TEST(Dropout, TheGradientPassesWhereTheValueDid) {
  torch::manual_seed(3);
  const Tensor x = torch::randn({300, 200}).requires_grad_(), slope = torch::randn({300, 200});
  const Tensor y = dropout(x, 0.3);
  y.backward(slope);

  EXPECT_TRUE(torch::equal(x.grad() == 0, y.detach() == 0));
  EXPECT_TRUE(torch::allclose(x.grad(), torch::where(y != 0, slope / 0.7, torch::zeros({1}))));
}

TEST(Dropout, FollowsTheGeneratorAndNotTheThreads) {
  const Tensor x = torch::randn({100000});
  const int threads = torch::get_num_threads();
  auto draw = [&](int count) {
    torch::manual_seed(4);
    torch::set_num_threads(count);
    const Tensor first = dropout(x, 0.5), second = dropout(x, 0.5);
    EXPECT_FALSE(torch::equal(first, second));
    return second;
  };
  const Tensor one = draw(1), two = draw(2);
  torch::set_num_threads(threads);

  EXPECT_TRUE(torch::equal(one, two));
}

}  // namespace
}  // namespace quantbench
