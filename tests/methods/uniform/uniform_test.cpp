#include "methods/uniform/uniform.h"

#include <gtest/gtest.h>

#include <set>

#include "models/builder.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

using Given = std::map<std::string, std::string>;

Graph small_graph() {
  GraphBuilder g("small", {2, 8, 8}, 3);
  int x = g.relu("relu1", g.batch_norm("bn1", g.conv("conv1", g.input(), 4, 3, {1, 1, 1, false})));
  x = g.relu("relu2", g.batch_norm("bn2", g.conv("conv2", x, 6, 3, {2, 1, 1, false})), 6);
  x = g.batch_norm("bn3", g.conv("conv3", x, 6, 1));
  x = g.conv("conv4", x, 6, 1);
  g.linear("fc", g.global_avg_pool("pool", x), 3);
  return std::move(g).build();
}

Batch batch(uint64_t seed) {
  Batch out;
  out.input = random_tensor({16, 2, 8, 8}, seed);
  out.target = torch::arange(16).remainder(3);
  return out;
}

// A small network with the method planned and attached.
struct Fixture {
  Fixture(const Fixture&) = delete;
  explicit Fixture(const Given& given)
      : method(OptionValues("method uniform", uniform_card().options, given)),
        network(small_graph(), RandomStream(1, "init")) {
    // Running statistics that fit the data, as a trained network has.
    network.train();
    for (uint64_t i = 0; i < 30; ++i) network.forward(batch(i));
    network.eval();
    reference = network.forward(batch(50)).detach();
    const std::vector<Batch> calibration{batch(60), batch(61)};
    MethodContext context{network, calibration, RandomStream(1, "method"),
                          [&](const Batch& b) { return loss(b); }, [](const std::string&) {}};
    method.plan(context);
    method.attach(network);
  }

  Tensor loss(const Batch& b) { return torch::cross_entropy_loss(network.forward(b), b.target); }

  // A few plain SGD steps on everything that the method's phases name.
  void train(int steps) {
    TrainingBudget budget;
    budget.epochs = 1;
    network.train();
    for (int i = 0; i < steps; ++i) {
      network.zero_grad();
      loss(batch(70 + static_cast<uint64_t>(i))).backward();
      const torch::NoGradGuard no_grad;
      for (const Phase& phase : method.phases(network, budget))
        for (const ParameterGroup& group : phase.groups)
          for (Tensor p : group.parameters) {
            ASSERT_TRUE(p.grad().defined()) << group.name;
            p.sub_(p.grad(), 0.05);
          }
    }
    network.eval();
  }

  std::shared_ptr<Quantizer> quantizer(const std::string& site) {
    for (const Site& s : all_sites(network.graph()))
      if (s.name == site) return std::dynamic_pointer_cast<Quantizer>(network.tap(s.point));
    return nullptr;
  }

  int bits(const std::string& site) { return quantizer(site)->bit_width().bits(); }

  Uniform method;
  Network network;
  Tensor reference;
};

std::vector<Given> rules(const std::string& bits) {
  std::vector<Given> out{{{"mode", "ptq"}}, {{"mode", "ptq"}, {"weight_scheme", "affine"}}};
  for (const char* observer : {"percentile", "mse", "ema"}) out.push_back({{"observer", observer}});
  for (const char* rule : {"ste", "dorefa", "pact", "lsq"})
    for (const char* per_channel : {"yes", "no"})
      out.push_back({{"mode", "qat"}, {"rule", rule}, {"per_channel", per_channel}});
  for (Given& given : out) {
    given["weight_bits"] = given["activation_bits"] = bits;
    given["first_last_bits"] = "0";
  }
  return out;
}

std::string name_of(const Given& given) {
  std::string out;
  for (const auto& [key, value] : given) out += key + "=" + value + " ";
  return out;
}

// Expects what the sites ship to be what the network computes with.
void expect_shipped_equals_simulated(Fixture& f, const std::string& what) {
  const torch::NoGradGuard no_grad;
  const Batch b = batch(80);
  for (const Site& site : all_sites(f.network.graph())) {
    auto quantizer = std::dynamic_pointer_cast<Quantizer>(f.network.tap(site.point));
    if (!quantizer) continue;
    if (site.is_weight()) {
      const Tensor w = f.network.parameter(site.point.node, "weight");
      const Encoding encoding = f.method.encode(f.network, site);
      EXPECT_NO_THROW(check(encoding, site.name)) << what;
      EXPECT_TRUE(same_bits(decode(encoding), quantizer->forward(w, {b, nullptr, Rows::Parameter})))
          << what << site.name;
      EXPECT_LE(code_bits(encoding), quantizer->bit_width().bits() * w.numel());
    } else {
      const Tensor x = random_tensor({4, 3, 5, 5}, 81);
      const TapContext context{b, nullptr, Rows::Sample, quantizer->absorbs_relu(), 0};
      const Format format = f.method.format(f.network, site);
      EXPECT_NO_THROW(check(format, site.name)) << what;
      EXPECT_TRUE(same_bits(quantbench::apply(format, context.relu ? torch::relu(x) : x),
                            quantizer->forward(x, context)))
          << what << site.name;
      EXPECT_LE(mean_bits(format), quantizer->bit_width().bits());
    }
  }
}

class EveryRule : public testing::TestWithParam<const char*> {};

TEST_P(EveryRule, ShipsWhatItComputesWithBeforeAndAfterTraining) {
  for (const Given& given : rules(GetParam())) {
    Fixture f(given);

    expect_shipped_equals_simulated(f, name_of(given));
    f.train(3);
    expect_shipped_equals_simulated(f, name_of(given) + "trained ");
  }
}

TEST_P(EveryRule, GivesFiniteLogitsAndLosses) {
  for (const Given& given : rules(GetParam())) {
    Fixture f(given);

    f.train(3);

    EXPECT_TRUE(torch::isfinite(f.network.forward(batch(50))).all().item<bool>()) << name_of(given);
  }
}

INSTANTIATE_TEST_SUITE_P(Bits, EveryRule, testing::Values("1", "2", "4", "8", "16"));

TEST(Uniform, PostTrainingAtEightBitsStaysNearTheFloatNetwork) {
  for (const char* observer : {"minmax", "percentile", "mse", "ema"}) {
    Fixture f(Given{{"observer", observer}});

    const Tensor difference = f.network.forward(batch(50)) - f.reference;

    EXPECT_LT(difference.norm().item<double>(), 0.05 * f.reference.norm().item<double>())
        << observer;
  }
}

TEST(Uniform, EveryProductHasTwoQuantizedOperands) {
  Fixture f(Given{});

  for (const Site& site : weight_sites(f.network.graph())) {
    EXPECT_NE(f.network.tap(site.point), nullptr) << site.name;
    EXPECT_NE(f.network.tap(operand_of(f.network.graph(), site.point.node)), nullptr) << site.name;
  }
}

TEST(Uniform, GivesTheEndsTheirOwnBitWidths) {
  Fixture f(Given{{"weight_bits", "3"},
                  {"activation_bits", "4"},
                  {"first_last_bits", "6"},
                  {"input_bits", "7"}});

  EXPECT_EQ(f.bits("conv1.weight"), 6);
  EXPECT_EQ(f.bits("conv2.weight"), 3);
  EXPECT_EQ(f.bits("fc.weight"), 6);
  EXPECT_EQ(f.bits("input.output"), 7);
  EXPECT_EQ(f.bits("relu1.output"), 4);
  EXPECT_EQ(f.bits("pool.output"), 6);
}

TEST(Uniform, LeavesActivationsInFloatWhenAsked) {
  Fixture f(Given{{"activation_bits", "32"}});

  for (const Site& site : all_sites(f.network.graph()))
    EXPECT_EQ(f.network.tap(site.point) != nullptr, site.is_weight()) << site.name;
}

TEST(Uniform, RefusesBitWidthsThatNoGridHas) {
  EXPECT_THROW(Fixture(Given{{"activation_bits", "20"}}), Error);
  EXPECT_THROW(Fixture(Given{{"weight_bits", "0"}}), Error);
  EXPECT_THROW(Fixture(Given{{"observer", "median"}}), Error);
}

TEST(Uniform, IsUnsignedWithoutZeroPointAfterARelu) {
  for (const char* rule : {"ste", "dorefa", "pact", "lsq"}) {
    Fixture f(Given{{"mode", "qat"}, {"rule", rule}});

    const Format format = f.quantizer("relu1.output")->format();

    EXPECT_TRUE(f.quantizer("relu1.output")->absorbs_relu());
    EXPECT_FALSE(f.quantizer("bn3.output")->absorbs_relu());
    EXPECT_FALSE(std::get<UniformFormat>(format).is_signed) << rule;
    EXPECT_EQ(std::get<UniformFormat>(format).zero_point.item<int>(), 0) << rule;
  }
}

TEST(Uniform, HonoursTheLimitOfARelu6) {
  Fixture f(Given{{"mode", "ptq"}, {"activation_bits", "16"}});
  auto quantizer = f.quantizer("relu2.output");
  const Batch b = batch(1);

  const Tensor y = quantizer->forward(values({1e9f}), {b, nullptr, Rows::Sample, true, 0.5});

  EXPECT_NEAR(y.item<float>(), 0.5, 1e-3);
}

TEST(Uniform, PostTrainingHasNoPhase) {
  Fixture f(Given{{"mode", "ptq"}});
  TrainingBudget budget;
  budget.epochs = 5;

  EXPECT_TRUE(f.method.phases(f.network, budget).empty());
}

TEST(Uniform, TrainsEveryParameterInExactlyOneGroup) {
  for (const char* rule : {"ste", "dorefa", "pact", "lsq"}) {
    Fixture f(Given{{"mode", "qat"}, {"rule", rule}});
    TrainingBudget budget;
    budget.epochs = 5;
    std::multiset<void*> seen;

    const std::vector<Phase> phases = f.method.phases(f.network, budget);
    for (const ParameterGroup& group : phases.at(0).groups)
      for (const Tensor& p : group.parameters) seen.insert(p.data_ptr());

    EXPECT_EQ(seen.size(), f.network.parameters().size()) << rule;
    for (const Tensor& p : f.network.parameters()) EXPECT_EQ(seen.count(p.data_ptr()), 1u) << rule;
  }
}

TEST(Uniform, DecaysPactsClipButNotLearnedSteps) {
  TrainingBudget budget;
  budget.epochs = 1;
  budget.optimizer.weight_decay = 0.01;
  Fixture pact(Given{{"mode", "qat"}, {"rule", "pact"}}),
      lsq(Given{{"mode", "qat"}, {"rule", "lsq"}});

  const auto of_pact = pact.method.phases(pact.network, budget).at(0).groups.at(1);
  const auto of_lsq = lsq.method.phases(lsq.network, budget).at(0).groups.at(1);

  EXPECT_EQ(of_pact.optimizer.weight_decay, 0.01);
  EXPECT_EQ(of_lsq.optimizer.weight_decay, 0);
}

TEST(Uniform, MovesItsRangesInTrainingOnly) {
  Fixture f(Given{{"mode", "qat"}, {"rule", "ste"}});
  auto scale = [&] {
    return std::get<UniformFormat>(f.quantizer("relu1.output")->format()).scale.item<float>();
  };
  const float planned = scale();

  f.network.forward(batch(90));
  const float evaluated = scale();
  f.train(1);

  EXPECT_EQ(evaluated, planned);
  EXPECT_NE(scale(), planned);
}

TEST(Uniform, AttachesTheSameFromItsSavedState) {
  for (const Given& given : rules("4")) {
    Fixture f(given), again(given);
    const Tensor before = f.network.forward(batch(50));

    again.network.clear_taps();
    Uniform loaded(OptionValues("method uniform", uniform_card().options, given));
    loaded.load(f.method.save());
    loaded.attach(again.network);

    EXPECT_TRUE(same_bits(again.network.forward(batch(50)), before)) << name_of(given);
  }
}

TEST(Uniform, RefusesToAttachBeforeItHasAPlan) {
  Uniform method(OptionValues("method uniform", uniform_card().options));
  Network network(small_graph());

  EXPECT_THROW(method.attach(network), Error);
}

TEST(Uniform, StartsLearnedStepsAsPublished) {
  Fixture f(Given{{"mode", "qat"}, {"rule", "lsq"}, {"weight_bits", "4"}, {"per_channel", "no"}});
  const Site site = weight_sites(f.network.graph()).at(1);
  const Tensor w = f.network.parameter(site.point.node, "weight");

  const auto format = std::get<UniformFormat>(f.method.format(f.network, site));

  EXPECT_NEAR(format.scale.item<double>(), 2 * w.abs().mean().item<double>() / std::sqrt(7.0),
              1e-6);
}

}  // namespace
}  // namespace quantbench
