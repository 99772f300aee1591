#include "methods/hawq/hawq.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "methods/common/bit_allocation.h"
#include "methods/common/range.h"
#include "methods/common/staged_quantizer.h"
#include "methods/hawq/hawq_v2.h"
#include "methods/uniform/uniform.h"
#include "models/builder.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

using Given = std::map<std::string, std::string>;

Graph small_graph() {
  GraphBuilder b("small", {3, 8, 8}, 4);
  int x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", b.input(), 8, 3, {1, 1})));
  x = b.relu("relu2", b.batch_norm("bn2", b.conv("conv2", x, 8, 3, {1, 1})));
  x = b.relu("relu3", b.batch_norm("bn3", b.conv("conv3", x, 16, 3, {2, 1})));
  b.linear("linear", b.flatten("flatten", x), 4);
  return std::move(b).build();
}

// Images of four classes that a network can tell apart, and a network that was taught to.
struct Taught {
  Network network{small_graph(), RandomStream(2, "init")};
  std::vector<Batch> batches;

  Taught() {
    torch::manual_seed(1);
    const Tensor means = torch::randn({4, 3, 8, 8});
    for (int i = 0; i < 2; ++i) {
      Batch batch;
      batch.target = torch::randint(4, {64}, torch::kLong);
      batch.input = means.index_select(0, batch.target) + 0.7 * torch::randn({64, 3, 8, 8});
      batches.push_back(batch);
    }
    for (int step = 0; step < 30; ++step) teach(0.1);
    network.eval();
  }
  void teach(double rate) {
    network.train();
    const Batch& batch = batches[0];
    const Tensor loss = torch::cross_entropy_loss(network.forward(batch), batch.target);
    const auto parameters = network.parameters();
    const auto gradients = torch::autograd::grad({loss}, parameters);
    const torch::NoGradGuard no_grad;
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i].sub_(gradients[i], rate);
  }
  MethodContext context() {
    return {
        network, batches, RandomStream(1, "method"),
        [this](const Batch& b) { return torch::cross_entropy_loss(network.forward(b), b.target); },
        [](const std::string&) {}};
  }
};

std::unique_ptr<Method> make(const std::string& name, const Given& given = {}) {
  const MethodEntry& entry = methods().get(name);
  return entry.make(OptionValues("method " + name, entry.card.options, given));
}

nlohmann::json allocation_of(const Method& method) {
  return nlohmann::json::parse(method.artefacts().at("allocation.json"));
}

TEST(MixedPrecision, KeepsItsBudgetAndItsExceptions) {
  for (const char* name : {"hawq", "hawq_v2"}) {
    Taught f;
    const auto method = make(name, {{"weight_bits", "3.5"}});
    MethodContext context = f.context();
    method->plan(context);

    const auto bits = allocation_of(*method).at("bits");

    EXPECT_EQ(bits.at("conv1.weight"), 8);
    EXPECT_EQ(bits.at("linear.weight"), 8);
    EXPECT_EQ(bits.at("input.output"), 8);
    EXPECT_EQ(bits.at("relu1.output"), 4);
    EXPECT_EQ(bits.at("relu3.output"), 8) << "what enters the last layer";
    const int64_t two = bits.at("conv2.weight"), three = bits.at("conv3.weight");
    EXPECT_LE(two * 8 * 8 * 9 + three * 8 * 16 * 9, 3.5 * (8 * 8 * 9 + 8 * 16 * 9));
    EXPECT_GE(std::min(two, three), 2);
    EXPECT_GT(std::max(two, three), 2);
  }
}

// |Q(W) - W|^2 under what is attached to the weight, by site.
std::map<std::string, double> distances(Network& network, const Batch& batch) {
  std::map<std::string, double> out;
  for (const Site& site : weight_sites(network.graph())) {
    const Tensor weight = network.parameter(site.point.node, "weight").detach();
    const Tensor rounded = network.tap(site.point)->forward(weight, {batch});
    out[site.name] = (rounded - weight).square().sum(torch::kDouble).item<double>();
  }
  return out;
}

TEST(MixedPrecision, PostTrainingTakesTheRangesOfItsObserver) {
  std::map<std::string, std::map<std::string, double>> by_observer;
  for (const char* observer : {"minmax", "mse"}) {
    Taught f;
    // One width, so that only the ranges differ.
    const auto method = make("hawq_v2", {{"mode", "ptq"},
                                         {"observer", observer},
                                         {"weight_bits", "3"},
                                         {"least_bits", "3"},
                                         {"most_bits", "3"}});
    MethodContext context = f.context();
    method->plan(context);
    method->attach(f.network);
    const auto& found = by_observer[observer] = distances(f.network, f.batches[0]);
    const nlohmann::json allocation = allocation_of(*method);
    for (const auto& layer : allocation.at("evidence").at("weights").at("layers")) {
      // What the choice was made by is what is attached.
      const double omega = layer.at("omega").at("3").get<double>();
      const double expected =
          layer.at("average_trace").get<double>() * found.at(layer.at("site").get<std::string>());
      EXPECT_NEAR(omega, expected, 1e-9 * expected) << observer;
    }
  }
  for (const char* site : {"conv2.weight", "conv3.weight"})
    EXPECT_LT(by_observer["mse"][site], by_observer["minmax"][site]);
}

TEST(MixedPrecision, ChoosesTheSameEveryTime) {
  for (const char* name : {"hawq", "hawq_v2"}) {
    std::set<std::string> answers;
    for (int i = 0; i < 5; ++i) {
      Taught f;
      const auto method = make(name);
      MethodContext context = f.context();
      method->plan(context);
      answers.insert(method->artefacts().at("allocation.json"));
    }
    EXPECT_EQ(answers.size(), 1u);
  }
}

TEST(MixedPrecision, RefusesTheCurvatureOfAnUntrainedNetwork) {
  for (const char* name : {"hawq", "hawq_v2"}) {
    Taught f;
    for (Batch& batch : f.batches) batch.target = (batch.target + 1) % 4;
    const auto method = make(name);
    MethodContext context = f.context();

    EXPECT_THROW(method->plan(context), Error);
  }
}

TEST(MixedPrecision, RefusesABudgetBelowItsLowestBits) {
  Taught f;
  const auto method = make("hawq_v2", {{"weight_bits", "2"}, {"least_bits", "3"}});
  MethodContext context = f.context();

  EXPECT_THROW(method->plan(context), Error);
  EXPECT_THROW(make("hawq", {{"least_bits", "8"}, {"most_bits", "4"}}), Error);
}

TEST(MixedPrecision, EverySiteGoesToAWayOfItsOwnBits) {
  for (const char* name : {"hawq", "hawq_v2"}) {
    Taught f;
    const auto method = make(name, {{"weight_bits", "3"}});
    MethodContext context = f.context();
    method->plan(context);
    method->attach(f.network);
    const auto bits = allocation_of(*method).at("bits");

    for (const Site& site : weight_sites(f.network.graph())) {
      const Encoding encoding = method->encode(f.network, site);
      EXPECT_EQ(code_bits(encoding), bits.at(site.name).get<int64_t>() * site.elements);
    }
    for (const Site& site : operand_sites(f.network.graph()))
      EXPECT_EQ(mean_bits(method->format(f.network, site)), bits.at(site.name).get<double>());
  }
}

TEST(HawqV2, BitsFollowTraceAndPerturbation) {
  Taught f;
  const auto method = make("hawq_v2", {{"weight_bits", "4"}});
  MethodContext context = f.context();
  method->plan(context);
  const nlohmann::json evidence = allocation_of(*method).at("evidence");
  const auto& weights = evidence.at("weights");

  for (const auto& layer : weights.at("layers")) {
    EXPECT_GT(layer.at("trace"), 0);
    EXPECT_EQ(layer.at("trace_standard_error"), 0);
    EXPECT_GT(layer.at("omega").at("2"), layer.at("omega").at("8"));
    EXPECT_DOUBLE_EQ(layer.at("average_trace"),
                     layer.at("trace").get<double>() / layer.at("elements").get<double>());
  }
  EXPECT_LE(weights.at("bound").get<double>(),
            weights.at("exact").at("omega").get<double>() * (1 + 1e-12));
  EXPECT_LE(weights.at("exact").at("omega"), weights.at("monotone").at("omega"));
  EXPECT_GT(evidence.at("top1"), 0.9);
}

TEST(HawqV2, SampledTracesGiveTheSameAnswerWithinTheirErrors) {
  Taught f;
  const auto exact = make("hawq_v2"), sampled = make("hawq_v2", {{"traces", "hutchinson"}});
  MethodContext context = f.context();
  exact->plan(context);
  sampled->plan(context);

  const auto a = allocation_of(*exact)["evidence"]["weights"]["layers"];
  const auto b = allocation_of(*sampled)["evidence"]["weights"]["layers"];
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i]["trace"].get<double>(), b[i]["trace"].get<double>(),
                4 * b[i]["trace_standard_error"].get<double>());
}

TEST(HawqV2, MixedActivationsKeepTheirMean) {
  Taught f;
  const auto method = make("hawq_v2", {{"activations", "mixed"}, {"activation_bits", "5"}});
  MethodContext context = f.context();
  method->plan(context);
  const auto bits = allocation_of(*method).at("bits");

  // relu1 and relu2 are free and equally large.
  EXPECT_LE(bits.at("relu1.output").get<int64_t>() + bits.at("relu2.output").get<int64_t>(), 10);
  EXPECT_GE(bits.at("relu1.output").get<int64_t>() + bits.at("relu2.output").get<int64_t>(), 9);
}

TEST(HawqV2, ReachesItsLimitInBitOperations) {
  Taught f;
  const auto method = make("hawq_v2", {{"limit", "bops"}, {"weight_bits", "4"}});
  MethodContext context = f.context();
  method->plan(context);
  const auto weights = allocation_of(*method)["evidence"]["weights"];

  double uniform = 0;
  for (const Site& site : weight_sites(f.network.graph()))
    if (site.name == "conv2.weight" || site.name == "conv3.weight")
      uniform += static_cast<double>(site.macs) * 4 * 4;
  EXPECT_DOUBLE_EQ(weights["budget"], uniform);
  EXPECT_LE(weights["chosen"]["cost"], uniform);
}

TEST(HawqV2, TakesTheKneeWhenAsked) {
  Taught f;
  const auto method = make("hawq_v2", {{"limit", "knee"}});
  MethodContext context = f.context();
  method->plan(context);
  const double mean = allocation_of(*method)["evidence"]["weights"]["mean_bits"];

  EXPECT_GT(mean, 2);
  EXPECT_LT(mean, 8);
}

struct Staged {
  Taught f;
  Hawq method;
  explicit Staged(const Given& given)
      : method(OptionValues("method hawq", hawq_card().options, given)) {
    MethodContext context = f.context();
    method.plan(context);
    method.attach(f.network);
  }
  void begin_phase(int phase) {
    MethodContext context = f.context();
    method.begin_phase(context, phase);
  }
  std::vector<Phase> phases(int64_t epochs) {
    TrainingBudget budget;
    budget.epochs = epochs;
    return method.phases(f.network, budget);
  }
  std::set<std::string> on() const {
    std::set<std::string> out;
    for (const Site& site : weight_sites(f.network.graph())) {
      const auto tap = std::dynamic_pointer_cast<StagedQuantizer>(f.network.tap(site.point));
      if (tap->is_on()) out.insert(site.name);
    }
    return out;
  }
};

TEST(Hawq, StagesRunInTheOrderOfOmega) {
  Staged s({});
  const auto evidence = allocation_of(s.method).at("evidence");
  std::map<std::string, double> omega;
  for (const auto& layer : evidence.at("layers"))
    omega[layer.at("site").get<std::string>()] = layer.at("omega").get<double>();
  const auto order = evidence.at("stage_order").get<std::vector<std::string>>();
  for (size_t i = 1; i < order.size(); ++i) EXPECT_GE(omega[order[i - 1]], omega[order[i]]);

  const auto phases = s.phases(6);

  ASSERT_EQ(phases.size(), 5u);  // four layers, and the last with everything on
  for (size_t i = 0; i < phases.size(); ++i) {
    EXPECT_EQ(phases[i].epochs, i < 4 ? 1 : 2);
    EXPECT_EQ(phases[i].schedule.first_epoch, static_cast<double>(i));
    s.begin_phase(static_cast<int>(i));
    const std::set<std::string> expected(order.begin(),
                                         order.begin() + std::min<std::ptrdiff_t>(4, i + 1));
    EXPECT_EQ(s.on(), expected);
  }
}

TEST(Hawq, GroupsLayersWhenTheEpochsDoNotSuffice) {
  Staged s({});

  EXPECT_EQ(s.phases(3).size(), 3u);
  EXPECT_EQ(s.method.stages(3)[0].size(), 2u);
  EXPECT_EQ(s.phases(1).size(), 1u);
  s.begin_phase(0);
  EXPECT_EQ(s.on().size(), 4u);
}

TEST(Hawq, WithoutStageEpochsEverythingIsOnAtOnce) {
  Staged staged(Given{{"stage_epochs", "0"}});
  ASSERT_EQ(staged.phases(5).size(), 1u);
  staged.begin_phase(0);
  const Tensor at_once = staged.f.network.forward(staged.f.batches[0]);

  Staged after({});
  const auto phases = after.phases(6);
  after.begin_phase(static_cast<int>(phases.size()) - 1);

  EXPECT_TRUE(same_bits(after.f.network.forward(after.f.batches[0]), at_once));
}

TEST(Hawq, AQuantizerThatIsOffIsNotThere) {
  Staged s({});
  s.phases(6);
  const auto off = [&](const std::string& site) {
    for (const Site& candidate : all_sites(s.f.network.graph()))
      if (candidate.name == site)
        std::dynamic_pointer_cast<StagedQuantizer>(s.f.network.tap(candidate.point))
            ->switch_on(false);
  };
  for (const Site& site : weight_sites(s.f.network.graph())) off(site.name);
  for (const Site& site : operand_sites(s.f.network.graph())) off(site.name);
  const Tensor without = s.f.network.forward(s.f.batches[0]);

  s.f.network.enable_taps(false);

  EXPECT_TRUE(same_bits(s.f.network.forward(s.f.batches[0]), without));
}

TEST(Hawq, ABlockTrainsAloneWhenAsked) {
  Staged s(Given{{"stage_trains", "block"}});

  const auto phases = s.phases(6);

  EXPECT_EQ(phases.back().groups[0].parameters.size(), s.f.network.parameters().size());
  size_t counted = 0;
  for (size_t i = 0; i + 1 < phases.size(); ++i) counted += phases[i].groups[0].parameters.size();
  EXPECT_EQ(counted, s.f.network.parameters().size());
}

TEST(Hawq, ResumesInsideAStage) {
  Staged s({});
  s.phases(6);
  s.begin_phase(1);

  Staged again({});
  again.f.network.clear_taps();
  again.method.load(s.method.save());
  again.method.attach(again.f.network);

  EXPECT_EQ(again.on(), s.on());
}

TEST(Perturbation, FallsAsThePublishedOnesDo) {
  // Symmetric per channel: (127/7)^2 = 329 between 4 and 8 bits; the published HAWQ-V3 tables have
  // medians of 322 and 321.
  const Tensor w = random_tensor({64, 32, 3, 3}, 4);
  const auto distance = [&](int64_t bits) {
    const UniformFormat format =
        uniform_format(min_max(w, Granularity::Channel), BitWidth(bits), Scheme::Symmetric);
    return (quantbench::apply(format, w) - w).square().sum().item<double>();
  };

  EXPECT_NEAR(distance(4) / distance(8), 329, 15);
}

TEST(Allocations, AreTheInputOfAnyMethodWithBitsPerSite) {
  Taught source;
  const auto first = make("hawq_v2", {{"weight_bits", "3"}});
  MethodContext context = source.context();
  first->plan(context);
  const std::string line =
      bits_line(parse_site_bits(first->artefacts().at("allocation.json"), "it"));
  const auto bits = allocation_of(*first).at("bits");

  for (const char* name : {"uniform", "hawq", "hawq_v2"}) {
    Taught f;
    const auto method = make(name, {{"allocation", line}});
    MethodContext here = f.context();
    method->plan(here);
    method->attach(f.network);
    for (const Site& site : weight_sites(f.network.graph()))
      EXPECT_EQ(code_bits(method->encode(f.network, site)),
                bits.at(site.name).get<int64_t>() * site.elements)
          << name << " " << site.name;
  }
}

TEST(Allocations, SurviveTheirFileAndTheirLine) {
  BitAllocation allocation;
  for (const Site& site : weight_sites(small_graph())) allocation.bits[site.name] = 5;
  EXPECT_EQ(parse_site_bits(allocation.text(), "it"), allocation.bits);
  EXPECT_EQ(parse_bits_line(bits_line(allocation.bits), "it"), allocation.bits);
  EXPECT_EQ(bits_line({{"a.weight", 8}, {"b.weight", 0}}), "a.weight:8,b.weight:0");
}

TEST(Allocations, AreRefusedWhenTheyAreNone) {
  EXPECT_NO_THROW(parse_site_bits(R"({"allocation": 1, "bits": {"a": 8}})", "it"));
  for (const std::string& text : std::vector<std::string>{
           "", "[]", "{", R"({"allocation": 1})", R"({"allocation": 2, "bits": {}})",
           R"({"allocation": "1", "bits": {}})", R"({"bits": 4})", R"({"bits": {"a": -1}})",
           R"({"bits": {"a": 33}})", R"({"bits": {"a": 4.5}})", R"({"bits": {"a": "4"}})",
           R"({"bits": {"": 4}})", R"({"bits": {"a,b": 4}})", R"({"bits": {"a:1": 4}})",
           R"({"bits": {"a\n": 4}})", R"({"bits": {"a": 99999999999999999999}})",
           std::string(100000, '[')})
    EXPECT_THROW(parse_site_bits(text, "it"), Error) << text.substr(0, 60);
}

TEST(Allocations, AreRefusedWhenTheirLineIsNone) {
  for (const char* line : {"a", "a:", ":4", "a:4:", "a:x", "a:-1", "a:33", "a:4.5", "a:4,,b:4",
                           "a:4,a:5", "a b:4", "allocation.json", "a:99999999999999999999"})
    EXPECT_THROW(parse_bits_line(line, "it"), Error) << line;
}

TEST(Allocations, AreRefusedWhereTheyDoNotFitTheGraph) {
  const std::string rest = "conv1.weight:8,conv2.weight:4,conv3.weight:4,linear.weight:8";
  const auto check = [](const std::string& line) {
    require_bits_for(small_graph(), parse_bits_line(line, "it"), "it");
  };
  EXPECT_NO_THROW(check(rest));
  EXPECT_NO_THROW(check(rest + ",relu1.output:16"));
  for (const std::string& line : {std::string("conv1.weight:8"), rest + ",conv9.weight:4",
                                  rest + ",relu1.output:0", rest + ",relu1.output:17"})
    EXPECT_THROW(check(line), Error) << line;
}

}  // namespace
}  // namespace quantbench
