// The method as a trainer meets it: phases, precisions that fall, states that come back, sizes.
#include "methods/bsq/bsq.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "methods/bsq/structure.h"
#include "methods/common/bit_allocation.h"
#include "models/builder.h"
#include "models/model.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

using Given = std::map<std::string, std::string>;

Graph small_graph() {
  GraphBuilder b("small", {3, 8, 8}, 4);
  int x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", b.input(), 8, 3, {1, 1})));
  int y = b.relu("relu2", b.batch_norm("bn2", b.conv("conv2", x, 8, 3, {1, 1})));
  y = b.batch_norm("bn3", b.conv("conv3", y, 8, 3, {1, 1}));
  x = b.relu("relu3", b.add("add", x, y));
  b.linear("linear", b.global_avg_pool("pool", x), 4);
  return std::move(b).build();
}

// A network under BSQ with a trainer's loop of its own: one batch, plain SGD on the rest.
struct Training : SmallTask {
  std::unique_ptr<Bsq> method;
  TrainingBudget budget;
  std::vector<Phase> phases;

  explicit Training(const Given& given, int64_t epochs = 6)
      : SmallTask(small_graph(), 2, {clustered_batch()}) {
    torch::set_num_threads(1);
    budget.epochs = epochs;
    budget.optimizer.weight_decay = 1e-4;
    method = std::make_unique<Bsq>(OptionValues("method bsq", bsq_card().options, given));
  }

  void start() {
    SmallTask::start(*method);
    phases = method->phases(network, budget);
  }
  void resume(const MethodState& state, const std::map<std::string, Tensor>& tensors) {
    SmallTask::resume(*method, state, tensors);
    phases = method->phases(network, budget);
  }
  void begin(int phase) {
    MethodContext at = context();
    method->begin_phase(at, phase);
    phases = method->phases(network, budget);
  }
  double step(double rate) {
    network.train();
    Progress progress;
    progress.learning_rate = rate;
    const Tensor loss = torch::cross_entropy_loss(network.forward(batches[0]), batches[0].target);
    const auto others = phases.at(0).groups.at(0).parameters;
    for (Tensor parameter : others) parameter.mutable_grad() = Tensor();
    loss.backward();
    method->after_backward(network, progress);
    const torch::NoGradGuard no_grad;
    for (Tensor parameter : others) parameter.sub_(parameter.grad(), rate);
    return loss.item<double>();
  }
  Tensor logits() {
    const torch::NoGradGuard no_grad;
    network.eval();
    return network.forward(batches[0]);
  }
  nlohmann::json scheme() const {
    return nlohmann::json::parse(method->artefacts().at("scheme.json"));
  }
};

TEST(Bsq, SplitsItsEpochsIntoIntervalsAndFineTuning) {
  Training t({{"interval", "100"}}, 650);
  t.budget.schedule.kind = Schedule::Kind::Step;
  t.budget.schedule.milestones = {250};
  t.start();

  std::vector<int64_t> epochs;
  for (const Phase& phase : t.phases) epochs.push_back(phase.epochs);

  EXPECT_EQ(epochs, (std::vector<int64_t>{100, 100, 100, 50, 300}));
  EXPECT_EQ(t.phases[2].schedule.factor(49), 1);
  EXPECT_EQ(t.phases[2].schedule.factor(50), 0.1) << "epoch 250";
  EXPECT_EQ(t.phases[4].groups[0].optimizer.lr, 0.01);
  EXPECT_EQ(t.phases[4].schedule.factor(149), 1);
  EXPECT_EQ(t.phases[4].schedule.factor(150), 0.1);
  EXPECT_NEAR(t.phases[4].schedule.factor(250), 0.01, 1e-12);
}

TEST(Bsq, LeavesReplacedWeightsOutOfTheTrainersGroups) {
  Training t({});
  t.start();

  // Three BatchNorms with two tensors each; all weights and the bias are the method's.
  EXPECT_EQ(t.phases[0].groups[0].parameters.size(), 6u);
}

TEST(Bsq, AConvertedNetworkAnswersAsBefore) {
  Training t(Given{{"activation_bits", "32"}});
  const Tensor before = t.logits();

  t.start();

  const Tensor after = t.logits();
  EXPECT_LE((after - before).abs().max().item<double>(), 0.02 * before.abs().max().item<double>());
}

TEST(Bsq, AStrongLassoLowersThePrecisionAndStillLearns) {
  Training t({{"alpha", "0.3"}, {"interval", "1"}, {"activation_bits", "32"}});
  t.start();
  const double first = t.step(0);
  double bits = t.method->figures().at(0).second;
  ASSERT_EQ(bits, 8);
  for (int phase = 0; phase < 3; ++phase) {
    t.begin(phase);
    for (int i = 0; i < 40; ++i) t.step(0.1);
  }
  const Tensor before = t.logits();

  t.begin(3);

  const auto scheme = t.scheme();
  EXPECT_LT(t.method->figures().at(0).second, 7);
  EXPECT_EQ(scheme.at("adjustments").size(), 4u);
  EXPECT_LT(t.step(0), first);
  bool grown = false;
  for (const auto& [site, change] : scheme.at("adjustments").back().items()) {
    EXPECT_LE(change.at("grown"), 1) << site;
    grown = grown || change.at("grown") > 0;
  }
  const Tensor after = t.logits();
  const double tolerance = grown ? INFINITY : 1e-4;
  EXPECT_LE((after - before).abs().max().item<double>(),
            tolerance * before.abs().max().item<double>());
}

// Without growth nothing but rounding noise may change at an adjustment, for removal never does.
TEST(Bsq, AnAdjustmentLeavesTheLogitsAlone) {
  Training t({{"alpha", "0.3"}, {"growth", "no"}, {"interval", "1"}});
  t.start();
  for (int i = 0; i < 60; ++i) t.step(0.1);
  const Tensor before = t.logits();
  const double bits = t.method->figures().at(0).second;

  t.begin(1);

  EXPECT_LT(t.method->figures().at(0).second, bits);
  EXPECT_LE((t.logits() - before).abs().max().item<double>(),
            1e-4 * before.abs().max().item<double>());
}

TEST(Bsq, AHigherPriceLeavesFewerBits) {
  std::vector<double> bits;
  for (const char* alpha : {"0.01", "0.1", "1"}) {
    Training t({{"alpha", alpha}, {"interval", "1"}, {"activation_bits", "32"}});
    t.start();
    for (int phase = 0; phase < 3; ++phase) {
      t.begin(phase);
      for (int i = 0; i < 30; ++i) t.step(0.1);
    }
    MethodContext context = t.context();
    t.method->freeze(context);
    bits.push_back(t.method->figures().at(0).second);
  }

  EXPECT_GE(bits[0], bits[1]);
  EXPECT_GT(bits[1], bits[2]);
}

TEST(Bsq, FineTuningStartsAtTheLossOfTheSearchAndKeepsTheScheme) {
  Training t({{"alpha", "0.3"}, {"growth", "no"}});
  t.start();
  for (int i = 0; i < 40; ++i) t.step(0.1);
  const Tensor before = t.logits();
  const auto last = static_cast<int>(t.phases.size()) - 1;

  t.begin(last);

  EXPECT_EQ(t.phases.back().name, "finetune");
  EXPECT_LE((t.logits() - before).abs().max().item<double>(),
            1e-4 * before.abs().max().item<double>());
  const auto bits = t.scheme().at("bits");
  const double start = t.step(0.02);
  double loss = start;
  for (int i = 0; i < 20; ++i) loss = t.step(0.02);
  EXPECT_LT(loss, start);
  EXPECT_EQ(t.scheme().at("bits"), bits);
}

// Planes have shrunk in between: what comes back must have the shapes of then, and the same bits.
TEST(Bsq, AResumedTrainingEqualsOneThatNeverStopped) {
  for (const char* momentum : {"reset", "keep"}) {
    for (int cut : {1, 3}) {
      const Given given{{"alpha", "0.3"}, {"interval", "1"}, {"momentum", momentum}};
      Training whole(given);
      whole.start();
      MethodState state;
      std::map<std::string, Tensor> tensors;
      const auto run = [&](Training& t, int phase, int from, bool save) {
        for (int i = from; i < 12; ++i) {
          if (save && phase == cut && i == 6) {
            state = t.method->save();
            tensors = tensors_of(t.network);
          }
          t.step(0.1);
        }
      };
      for (int phase = 0; phase < 4; ++phase) {
        whole.begin(phase);
        run(whole, phase, 0, true);
      }
      Training resumed(given);
      resumed.resume(state, tensors);
      run(resumed, cut, 6, false);
      for (int phase = cut + 1; phase < 4; ++phase) {
        resumed.begin(phase);
        run(resumed, phase, 0, false);
      }

      const auto a = tensors_of(whole.network), b = tensors_of(resumed.network);
      ASSERT_EQ(a.size(), b.size());
      for (const auto& [name, tensor] : a)
        EXPECT_TRUE(torch::equal(tensor, b.at(name))) << cut << " " << name;
      EXPECT_EQ(whole.method->save().values, resumed.method->save().values);
    }
  }
}

TEST(Bsq, ASchemeOfAnEarlierRunTrainsFromScratch) {
  Training found({{"alpha", "0.3"}, {"interval", "1"}});
  found.start();
  for (int i = 0; i < 40; ++i) found.step(0.1);
  MethodContext at = found.context();
  found.method->freeze(at);
  const SiteBits bits = parse_site_bits(found.method->artefacts().at("scheme.json"), "it");

  Training control(Given{{"scheme", bits_line(bits)}});
  control.start();
  ASSERT_EQ(control.phases.size(), 1u);
  control.begin(0);
  const double first = control.step(0.05);
  double last = first;
  for (int i = 0; i < 20; ++i) last = control.step(0.05);

  EXPECT_EQ(control.scheme().at("bits"), found.scheme().at("bits"));
  EXPECT_LT(last, first);
  SiteBits few = bits, wide = bits;
  few.erase(few.begin());
  wide.begin()->second = 9;
  for (const SiteBits& broken : {few, wide})
    EXPECT_THROW(Training(Given{{"scheme", bits_line(broken)}}).start(), Error);
}

// The HAWQ scheme that the authors compare with: 655,134 bits, 13.107 times smaller than FP32.
TEST(Bsq, CountsTheSizeAsThePaperDoes) {
  const Network network(build_model("resnet20", {{3, 32, 32}, 10}, {}), RandomStream(1, "init"));
  const Bsq method(OptionValues("method bsq", bsq_card().options, {}));
  const auto total = [&](const std::function<int(size_t, const Site&)>& bits_of) {
    PaperSize sum;
    std::vector<Site> sites = weight_sites(network.graph());
    for (Site& site : bias_sites(network.graph())) sites.push_back(std::move(site));
    EXPECT_EQ(sites.size(), 21u);
    for (size_t i = 0; i < sites.size(); ++i) {
      const bsq::PlaneQuantizer quantizer(
          bsq::magnitudes_of(torch::ones(sites[i].shape), bits_of(i, sites[i])));
      const PaperSize size = method.paper_size(sites[i], quantizer.encode({}));
      sum.bits += size.bits;
      sum.parameters += size.parameters;
    }
    return sum;
  };

  const int hawq[] = {8, 6, 6, 6, 6, 8, 8, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 3, 3};
  const PaperSize mixed = total([&](size_t i, const Site&) { return hawq[i]; });
  const PaperSize eight = total([](size_t, const Site&) { return 8; });

  EXPECT_EQ(mixed.parameters, 268346);
  EXPECT_EQ(mixed.bits, 655134);
  EXPECT_NEAR(32.0 * 268346 / mixed.bits, 13.107, 5e-4);
  EXPECT_EQ(32.0 * 268346 / eight.bits, 4.0);
}

TEST(Bsq, LeavesShortcutConvolutionsInFloat) {
  const Graph graph = build_model("resnet18", {{3, 224, 224}, 1000}, {});
  int shortcuts = 0, inevitable = 0;
  for (const Site& site : weight_sites(graph)) {
    const bool named = site.name.find("downsample") != std::string::npos;
    EXPECT_EQ(bsq::is_shortcut(graph, site.point.node), named) << site.name;
    shortcuts += named;
    inevitable += !bsq::is_bypassed(graph, site.point.node);
  }
  EXPECT_EQ(shortcuts, 3);
  EXPECT_EQ(inevitable, 2) << "the first and the last layer";
  const Graph deep = build_model("resnet50", {{3, 224, 224}, 1000}, {});
  for (const Site& site : weight_sites(deep))
    EXPECT_EQ(bsq::is_shortcut(deep, site.point.node),
              site.name.find("downsample") != std::string::npos)
        << site.name;
}

TEST(Bsq, RefusesOptionsThatMakeNoSense) {
  const auto make = [](const Given& given) {
    return Bsq(OptionValues("method bsq", bsq_card().options, given));
  };
  EXPECT_THROW(make({{"activation_bits", "16"}}), Error);
  EXPECT_THROW(make({{"finetune_milestones", "0.8,0.5"}}), Error);
  EXPECT_THROW(make({{"finetune_milestones", "half"}}), Error);
  EXPECT_NO_THROW(make({{"finetune_milestones", ""}}));
}

}  // namespace
}  // namespace quantbench
