// Each observer against brute force over all values that it was shown.
#include "methods/common/observers.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "methods/common/histogram.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

// Batches whose magnitude grows, so that histograms must.
std::vector<Tensor> batches() {
  std::vector<Tensor> out;
  for (int i = 0; i < 5; ++i)
    out.push_back(random_tensor({4, 300}, static_cast<uint64_t>(30 + i), 0.3 * (1 + i)));
  return out;
}

Range observed(const ObserverConfig& config, const std::vector<Tensor>& shown) {
  const auto observer = make_observer(config);
  for (const Tensor& x : shown) observer->update(x);
  return observer->range();
}

ObserverConfig kind(const std::string& name, Granularity granularity = Granularity::Tensor) {
  ObserverConfig config;
  config.kind = name;
  config.granularity = granularity;
  return config;
}

TEST(MinMaxObserver, CoversEveryBatch) {
  const Tensor all = torch::cat(batches(), 1);

  const Range range = observed(kind("minmax", Granularity::Channel), batches());

  EXPECT_TRUE(torch::equal(range.low, all.amin(1)));
  EXPECT_TRUE(torch::equal(range.high, all.amax(1)));
}

TEST(EmaObserver, FollowsTheBatchesWithItsMomentum) {
  ObserverConfig config = kind("ema");
  config.momentum = 0.25;
  double high = 0;
  for (const Tensor& x : batches()) {
    const double batch_high = x.max().item<double>();
    high = high == 0 ? batch_high : 0.75 * high + 0.25 * batch_high;
  }

  const Range range = observed(config, batches());

  EXPECT_NEAR(range.high.item<double>(), high, 1e-6);
}

TEST(PercentileObserver, CutsBothTailsAtTheOrderStatistic) {
  ObserverConfig config = kind("percentile");
  config.percentile = 99;
  const Tensor sorted = std::get<0>(torch::cat(batches(), 1).flatten().sort());
  const int64_t n = sorted.numel();
  const double bin = 2 * 8.0 / (1 << 14);

  const Range range = observed(config, batches());

  EXPECT_NEAR(range.high.item<double>(), sorted[n * 99 / 100 - 1].item<double>(), bin);
  EXPECT_NEAR(range.low.item<double>(), sorted[n / 100 - 1].item<double>(), bin);
}

TEST(PercentileObserver, OfHundredIsMinMax) {
  ObserverConfig config = kind("percentile", Granularity::Channel);
  config.percentile = 100;

  const Range range = observed(config, batches());

  EXPECT_TRUE(torch::equal(range.high, torch::cat(batches(), 1).amax(1)));
}

TEST(PercentileObserver, IncludesZero) {
  const Range range = observed(kind("percentile"), {torch::rand({100}) + 5});

  EXPECT_EQ(range.low.item<float>(), 0);
}

// The least true error over a fine search of shrinking factors.
double least_error(const Tensor& x, BitWidth bits, Scheme scheme) {
  const Range whole = min_max(x, Granularity::Tensor);
  double least = std::numeric_limits<double>::infinity();
  for (int i = 1; i <= 400; ++i) {
    const Range range{Granularity::Tensor, whole.low * (i / 400.0), whole.high * (i / 400.0)};
    const Tensor y = apply(uniform_format(range, bits, scheme), x);
    least = std::min(least, (x - y).square().mean().item<double>());
  }
  return least;
}

TEST(MseObserver, ComesWithinTwoPercentOfTheBestClipping) {
  for (Scheme scheme : {Scheme::Symmetric, Scheme::Affine})
    for (int64_t bits : {1, 2, 3, 4, 6, 8}) {
      ObserverConfig config = kind("mse");
      config.bits = BitWidth(bits);
      config.scheme = scheme;
      std::vector<Tensor> shown = batches();
      if (scheme == Scheme::Affine)
        for (Tensor& x : shown) x = torch::relu(x);
      const Tensor all = torch::cat(shown, 1);

      const Tensor y = apply(uniform_format(observed(config, shown), config.bits, scheme), all);

      const double error = (all - y).square().mean().item<double>();
      EXPECT_LE(error, 1.02 * least_error(all, config.bits, scheme)) << bits << " bits";
    }
}

TEST(MseObserver, ShrinksEachChannelByItself) {
  ObserverConfig config = kind("mse", Granularity::Channel);
  config.bits = BitWidth(2);
  config.scheme = Scheme::Symmetric;
  const Tensor even = torch::linspace(-1, 1, 400);
  Tensor peaked = even * 0.01;
  peaked[0] = -0.1;

  const Range range = observed(config, {torch::stack({even, peaked})});

  EXPECT_GT(range.high[0].item<float>(), 0.5f);
  EXPECT_LT(-range.low[1].item<float>(), 0.05f);
}

TEST(MseObserver, KeepsFineGridsWhole) {
  ObserverConfig config = kind("mse");
  config.bits = BitWidth(16);

  const Range range = observed(config, batches());

  EXPECT_GT(range.high.item<float>(), 0.9f * torch::cat(batches(), 1).max().item<float>());
}

TEST(Observers, RefuseToAnswerBeforeAnyBatch) {
  for (const std::string& name : observer_kinds())
    EXPECT_THROW(make_observer(kind(name))->range(), Error) << name;
}

TEST(Observers, RefuseValuesThatAreNotFinite) {
  for (const std::string& name : observer_kinds()) {
    const auto observer = make_observer(kind(name));

    EXPECT_THROW(observer->update(values({1.0f, std::numeric_limits<float>::infinity()})), Error);
    EXPECT_THROW(observer->update(values({std::numeric_limits<float>::quiet_NaN()})), Error);
  }
}

TEST(Observers, TakeAllZeros) {
  for (const std::string& name : observer_kinds()) {
    const Range range = observed(kind(name), {torch::zeros({10}), torch::zeros({10})});

    EXPECT_EQ(range.high.item<float>(), 0) << name;
  }
}

TEST(Observers, UnknownKindsAreRefused) { EXPECT_THROW(make_observer(kind("median")), Error); }

TEST(Histogram, DoesNotDependOnHowValuesAreCut) {
  const Tensor x = random_tensor({1000}, 40, 3);
  Histogram once(64), piecewise(64);

  once.add(x.data_ptr<float>(), 1000);
  for (int i = 0; i < 1000; i += 10) piecewise.add(x.data_ptr<float>() + i, 10);

  EXPECT_EQ(once.counts(), piecewise.counts());
  EXPECT_EQ(once.width(), piecewise.width());
}

TEST(Histogram, MeanSquaredErrorIsTheIntegralOverItsBins) {
  Histogram histogram(8);
  const Tensor x = values({-3.5f, -0.2f, 0.1f, 1.3f, 2.9f});
  histogram.add(x.data_ptr<float>(), 5);
  double expected = 0;
  for (size_t bin = 0; bin < 8; ++bin)
    for (int i = 0; i < 10000; ++i) {
      const double t = histogram.edge(bin) + (i + 0.5) / 10000 * histogram.width();
      const double level = std::clamp(std::round((t + 1.2) / 0.8), 0.0, 3.0) * 0.8 - 1.2;
      expected += static_cast<double>(histogram.counts()[bin]) * (t - level) * (t - level) / 50000;
    }

  EXPECT_NEAR(mean_squared_error(histogram, -1.2, 1.2, 0.8), expected, 1e-6);
}

}  // namespace
}  // namespace quantbench
