#include "methods/quantization_networks/quantization_networks.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/builder.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

using qn::StaircaseQuantizer;

const Batch kNone;
const TapContext kWeight{kNone, nullptr, Rows::Parameter};
const std::vector<double> kFours{-4, -2, -1, 0, 1, 2, 4};
const qn::Start kStart{0.16, 6.25, {-3, -1.5, -0.05, 0.05, 1.5, 3}};

Tensor wide(double value) { return torch::full({1}, value, torch::kFloat64); }

Tensor soft(const Tensor& x, double temperature) {
  return soft_staircase(x, wide(0.16), wide(6.25), Staircase::between(kFours, kStart.thresholds),
                        {temperature});
}

TEST(SoftSteps, HaveTheGoldenValuesAndHardenWithTheTemperature) {
  const Tensor x = torch::tensor({-0.8, -0.3, -0.01, 0.0, 0.1, 0.3, 0.8}, torch::kFloat64);
  const auto expect = [&](double t, std::vector<double> wanted) {
    const Tensor difference = soft(x, t) - torch::tensor(wanted, torch::kFloat64);
    EXPECT_LT(difference.abs().max().item<double>(), 5.1e-7) << t;
  };
  expect(5, {-0.639985, -0.299848, -0.02448, 0, 0.148149, 0.299848, 0.639985});
  expect(50, {-0.64, -0.32, -0.103642, 0, 0.16, 0.32, 0.64});
  expect(550, {-0.64, -0.32, -0.159835, 0, 0.16, 0.32, 0.64});
  expect(1e6, {-0.64, -0.32, -0.16, 0, 0.16, 0.32, 0.64});

  StaircaseQuantizer quantizer(kFours, kStart, BitWidth(3), true, false);
  quantizer.eval();
  const Tensor hard = quantizer.forward(x.to(torch::kFloat32), kWeight);
  EXPECT_TRUE(
      torch::allclose(hard, values({-0.64f, -0.32f, -0.16f, 0, 0.16f, 0.32f, 0.64f}), 0, 1e-6));
}

TEST(SoftSteps, PassThroughZeroAtEveryTemperature) {
  for (double t : {1.0, 5.0, 50.0, 500.0})
    EXPECT_NEAR(soft(torch::zeros({1}, torch::kFloat64), t).item<double>(), 0, 1e-12);
}

TEST(SoftSteps, HaveTheGoldenDerivatives) {
  const Tensor x = wide(0.23).requires_grad_();
  const Tensor alpha = wide(0.16).requires_grad_(), beta = wide(6.25).requires_grad_();
  const Staircase steps = Staircase::between(kFours, kStart.thresholds);
  soft_staircase(x, alpha, beta, steps, {5}).backward();
  EXPECT_NEAR(x.grad().item<double>(), 1.231802, 5e-7);
  EXPECT_NEAR(beta.grad().item<double>(), 0.0453303, 5e-8);
  EXPECT_NEAR(alpha.grad().item<double>(), 1.421755, 5e-7);

  const auto at = [&](double x0, double a, double b) {
    return soft_staircase(wide(x0), wide(a), wide(b), steps, {5}).item<double>();
  };
  const double h = 1e-6;
  EXPECT_NEAR(x.grad().item<double>(),
              (at(0.23 + h, 0.16, 6.25) - at(0.23 - h, 0.16, 6.25)) / (2 * h), 1e-8);
  EXPECT_NEAR(alpha.grad().item<double>(),
              (at(0.23, 0.16 + h, 6.25) - at(0.23, 0.16 - h, 6.25)) / (2 * h), 1e-8);
  EXPECT_NEAR(beta.grad().item<double>(),
              (at(0.23, 0.16, 6.25 + h) - at(0.23, 0.16, 6.25 - h)) / (2 * h), 1e-8);
}

TEST(SoftSteps, OfTwoCoincidentThresholdsAreOneOfTwiceTheHeight) {
  const Tensor x = torch::linspace(-1, 1, 101, torch::kFloat64);
  for (double t : {1.0, 30.0, 1000.0}) {
    const auto run = [&](const Staircase& steps) {
      const Tensor leaf = x.clone().requires_grad_();
      const Tensor y = soft_staircase(leaf, wide(0.7), wide(1.3), steps, {t});
      y.sum().backward();
      return std::make_pair(y.detach(), leaf.grad());
    };
    const auto one = run(Staircase::between({-1, 1}, {0}));
    const auto two = run(Staircase::between({-1, 0, 1}, {0, 0}));
    EXPECT_TRUE(torch::allclose(one.first, two.first, 1e-12, 1e-12));
    EXPECT_TRUE(torch::allclose(one.second, two.second, 1e-12, 1e-12));
  }
}

double slope(double x, const Softness& softness) {
  const Tensor leaf = wide(x).requires_grad_();
  soft_staircase(leaf, wide(0.16), wide(6.25), Staircase::between({-1, 1}, {0}), softness)
      .backward();
  return leaf.grad().item<double>();
}

TEST(SoftSteps, KeepAFloorOfTheSlopeUnderTheClampOnly) {
  for (double t : {50.0, 550.0, 2000.0}) {
    // s = 2, alpha * beta = 1.
    EXPECT_NEAR(slope(3, {t, 10}), t * 2 * 4.5396e-5, t * 1e-8);
    EXPECT_LT(slope(3, {t, 0}), 1e-12);
  }
}

TEST(SoftSteps, TakeTheSlopeAtOneAsThePublicCodeDoes) {
  const double u = 0.02 * 6.25, p = 1 / (1 + std::exp(-u));
  EXPECT_NEAR(slope(0.02, {40, 0, true}), 40 * 2 * p * (1 - p), 1e-9);
}

TEST(SoftSteps, ComeAsCloseToHardOnesAsTheirDistanceSays) {
  const Staircase step = Staircase::between({0, 1}, {0});
  const auto gap = [&](double t) {
    return 1 - soft_staircase(wide(0.05), wide(1), wide(1), step, {t}).item<double>();
  };
  EXPECT_NEAR(gap(5), 0.4378, 5e-5);
  EXPECT_NEAR(gap(50), 0.0759, 5e-5);
  EXPECT_NEAR(gap(550), 1.1e-12, 1e-13);
}

TEST(HardSteps, AreTheirFormatBitForBit) {
  torch::manual_seed(9);
  for (int64_t edges : {1, 3, 15, 63}) {
    CodebookFormat format;
    format.thresholds = std::get<0>(torch::rand({edges}).sort());
    format.levels = torch::arange(edges + 1).to(torch::kFloat32) * 0.37f;
    format.bits = BitWidth(6);
    Tensor x = torch::rand({7, 100}) * 1.5 - 0.2;
    x[0].slice(0, 0, edges).copy_(format.thresholds);
    x[1][0] = std::numeric_limits<float>::quiet_NaN();
    const Tensor y = hard_steps(x, format, {0.0f, std::numeric_limits<float>::quiet_NaN()});
    const Tensor wanted = quantbench::apply(format, torch::relu(x));
    EXPECT_TRUE(torch::isnan(y[1][0]).item<bool>());
    EXPECT_TRUE(same_bits(torch::nan_to_num(y), torch::nan_to_num(wanted))) << edges;
  }
}

TEST(HardSteps, OfActivationsGiveZeroForZero) {
  StaircaseQuantizer quantizer({0, 1, 2, 3}, {0.5, 2, {0.1, 1.2, 2.5}}, BitWidth(2), false, true);
  quantizer.eval();
  const TapContext relu{kNone, nullptr, Rows::Sample, true, 0};
  EXPECT_TRUE(torch::equal(quantizer.forward(values({0, -3, 0.01f}), relu), torch::zeros({3})));
}

OptionValues options(const std::map<std::string, std::string>& given = {}) {
  return OptionValues("method", quantization_networks_card().options, given);
}

Graph small_graph() {
  GraphBuilder g("small", {3, 8, 8}, 4);
  int x = g.relu("relu1", g.batch_norm("bn1", g.conv("conv1", g.input(), 6, 3, {1, 1, 1, false})));
  x = g.relu("relu2", g.batch_norm("bn2", g.conv("conv2", x, 6, 3, {1, 1, 1, false})));
  x = g.relu("relu3", g.batch_norm("bn3", g.conv("conv3", x, 6, 3, {2, 1, 1, false})));
  g.linear("fc", g.global_avg_pool("pool", x), 4);
  return std::move(g).build();
}

struct Small : SmallTask {
  Small() : SmallTask(small_graph(), 1, random_batches()) {}
};

TEST(QuantizationNetworks, TakesLevelsOnlyAndLeavesTheEndsFloatWhenAsked) {
  Small small;
  QuantizationNetworks method(options({{"weight_bits", "3"},
                                       {"levels", "powers"},
                                       {"activation_bits", "2"},
                                       {"first_last_bits", "32"}}));
  small.start(method);
  small.network.eval();
  const auto sites = weight_sites(small.network.graph());
  for (const Site& site : sites) {
    const Encoding encoding = method.encode(small.network, site);
    check(encoding, site.name);
    const bool end = site.name == sites.front().name || site.name == sites.back().name;
    EXPECT_EQ(std::holds_alternative<FloatEncoding>(encoding), end) << site.name;
    if (end) continue;
    const auto& codebook = std::get<CodebookEncoding>(encoding);
    const Tensor scale = codebook.format.levels[4];
    const Tensor wanted = torch::tensor(kFours, torch::kFloat32) * scale;
    EXPECT_TRUE(same_bits(codebook.format.levels, wanted));
    EXPECT_TRUE(same_bits(
        decode(encoding),
        small.network.tap(site.point)
            ->forward(small.network.parameter(site.point.node, "weight").detach(), kWeight)));
  }
  for (const Site& site : operand_sites(small.network.graph())) {
    const bool end = site.point.node == 0 || site.name.find("pool") == 0;
    EXPECT_EQ(small.network.tap(site.point) == nullptr, end) << site.name;
  }
}

TEST(QuantizationNetworks, TrainsWeightsThenActivationsThenAll) {
  Small small;
  QuantizationNetworks method(options({{"activation_bits", "2"}}));
  small.start(method);
  TrainingBudget budget;
  budget.epochs = 10;
  budget.optimizer.lr = 1;
  const auto phases = method.phases(small.network, budget);
  ASSERT_EQ(phases.size(), 3u);
  EXPECT_EQ(phases[0].epochs, 6);
  EXPECT_EQ(phases[1].epochs, 2);
  EXPECT_EQ(phases[2].schedule.first_epoch, 8);
  EXPECT_EQ(phases[0].groups[1].parameters.size(), 2u * 2);  // conv2, conv3
  EXPECT_EQ(phases[1].groups[1].parameters.size(), 2u * 2);  // relu1, relu2
  EXPECT_EQ(phases[2].groups[1].parameters.size(), 4u * 2);
  EXPECT_EQ(phases[1].groups[1].optimizer.weight_decay, 0);
  EXPECT_NEAR(phases[1].groups[0].optimizer.lr, 0.1, 1e-9);

  const auto relu1 = std::dynamic_pointer_cast<StaircaseQuantizer>(
      small.network.tap({small.network.graph().index_of("relu1"), PointKind::Output}));
  const Tensor x = random_tensor({2, 6, 8, 8}, 3);
  const TapContext at_relu{kNone, nullptr, Rows::Sample, true, 0};
  MethodContext context = small.context();
  method.begin_phase(context, 0);
  EXPECT_TRUE(torch::equal(relu1->forward(x, at_relu), torch::relu(x)));
  method.begin_phase(context, 1);
  EXPECT_FALSE(torch::equal(relu1->forward(x, at_relu), torch::relu(x)));
}

TEST(QuantizationNetworks, HasOnePhaseForOneKind) {
  Small small;
  for (const auto& given : std::vector<std::map<std::string, std::string>>{
           {{"activation_bits", "32"}}, {{"weight_bits", "32"}, {"activation_bits", "2"}}}) {
    QuantizationNetworks method(options(given));
    small.start(method);
    TrainingBudget budget;
    budget.epochs = 3;
    ASSERT_EQ(method.phases(small.network, budget).size(), 1u);
    MethodContext context = small.context();
    method.begin_phase(context, 0);
    small.network.clear_taps();
  }
}

TEST(QuantizationNetworks, RaisesTheTemperatureWithTheGlobalEpoch) {
  Small small;
  QuantizationNetworks method(options({{"temperature", "7"}, {"temperature_cap", "20"}}));
  small.start(method);
  const Site site = weight_sites(small.network.graph())[1];
  const auto tap = std::dynamic_pointer_cast<StaircaseQuantizer>(small.network.tap(site.point));
  const Tensor w = small.network.parameter(site.point.node, "weight").detach();
  const auto expect = [&](int64_t epoch, double t) {
    Progress progress;
    progress.global_epoch = epoch;
    method.before_step(small.network, progress);
    tap->train();
    const Tensor wanted =
        soft_staircase(w, values({static_cast<float>(tap->alpha())}),
                       values({static_cast<float>(tap->beta())}), tap->staircase(), {t});
    EXPECT_TRUE(torch::allclose(tap->forward(w, kWeight), wanted, 1e-5, 1e-6)) << epoch;
  };
  expect(0, 7);
  expect(1, 14);
  expect(2, 20);
}

TEST(QuantizationNetworks, RefusesOptionsThatContradictEachOther) {
  EXPECT_THROW(QuantizationNetworks(options({{"weight_bits", "12"}})), Error);
  EXPECT_THROW(QuantizationNetworks(options({{"activation_bits", "9"}})), Error);
  EXPECT_THROW(QuantizationNetworks(options({{"first_last_bits", "20"}})), Error);
  EXPECT_THROW(
      QuantizationNetworks(options({{"weights_share", "0.9"}, {"activations_share", "0.5"}})),
      Error);
  EXPECT_THROW(QuantizationNetworks(options({{"weight_bits", "5"}, {"levels", "powers"}})), Error);
}

}  // namespace
}  // namespace quantbench
