// The method as a trainer meets it: phases, a network that learns while its bases go, sizes.
#include "methods/alq/alq.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "models/builder.h"
#include "models/model.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

using Given = std::map<std::string, std::string>;

Graph small_graph() {
  GraphBuilder b("small", {3, 8, 8}, 4);
  int x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", b.input(), 8, 3, {1, 1})));
  x = b.relu("relu2", b.batch_norm("bn2", b.conv("conv2", x, 16, 3, {2, 1})));
  b.linear("linear", b.flatten("flatten", x), 4);
  return std::move(b).build();
}

// A network under ALQ with a trainer's loop of its own: one batch, plain SGD on the rest.
struct Training : SmallTask {
  Alq method;
  TrainingBudget budget;
  std::vector<Phase> phases;
  static constexpr int64_t kSteps = 6;

  explicit Training(const Given& given, int64_t epochs)
      : SmallTask(small_graph(), 2, {clustered_batch()}),
        method(OptionValues("method alq", alq_card().options, given)) {
    torch::set_num_threads(1);
    budget.epochs = epochs;
    budget.optimizer.lr = 1e-3;
    budget.optimizer.weight_decay = 0;
  }

  void start() {
    SmallTask::start(method);
    phases = method.phases(network, budget);
  }
  void resume(const MethodState& state, const std::map<std::string, Tensor>& tensors) {
    SmallTask::resume(method, state, tensors);
    phases = method.phases(network, budget);
  }
  void begin(int phase) {
    MethodContext at = context();
    method.begin_phase(at, phase);
    phases = method.phases(network, budget);
  }
  // One step of the phase; `global` is its place in the whole training.
  double step(int phase, int64_t epoch, int64_t step, int64_t global) {
    const Phase& now = phases.at(static_cast<size_t>(phase));
    network.train(now.train_mode);
    Progress progress{phase, epoch, now.epochs, step, kSteps, 0, global};
    progress.learning_rate =
        now.groups[0].optimizer.lr * now.schedule.factor(static_cast<double>(epoch));
    progress.random = RandomStream(5, "hooks").child(static_cast<uint64_t>(global));
    const Tensor loss = torch::cross_entropy_loss(network.forward(batches[0]), batches[0].target);
    for (Tensor parameter : now.groups[0].parameters) parameter.mutable_grad() = Tensor();
    loss.backward();
    method.after_backward(network, progress);
    const torch::NoGradGuard no_grad;
    for (Tensor parameter : now.groups[0].parameters)
      parameter.sub_(parameter.grad(), 10 * progress.learning_rate);
    return loss.item<double>();
  }
  // All phases, following the verdicts; `at` is called before each step.
  using Hook = std::function<void(int phase, int64_t global)>;
  double run(
      int phase, int64_t first, const Hook& at = [](int, int64_t) {}) {
    int64_t global = first;
    double loss = 0;
    bool begun = first > 0;
    while (phase < static_cast<int>(phases.size())) {
      if (!begun) begin(phase);
      const int64_t epochs = phases[static_cast<size_t>(phase)].epochs;
      int64_t epoch = begun ? resumed_epoch : 0, from = begun ? resumed_step : 0;
      begun = false;
      EpochVerdict verdict;
      for (; epoch < epochs && !verdict.end_phase; ++epoch, from = 0) {
        for (int64_t i = from; i < kSteps; ++i, ++global) {
          here = {phase, epoch, i};
          at(phase, global);
          loss = step(phase, epoch, i, global);
        }
        EpochReport report;
        report.progress = {phase, epoch, epochs, 0, kSteps};
        verdict = method.after_epoch(network, report);
      }
      int next = phase + 1;
      while (!verdict.next_phase.empty() &&
             phases[static_cast<size_t>(next)].name != verdict.next_phase)
        ++next;
      phase = next;
    }
    return loss;
  }
  std::tuple<int, int64_t, int64_t> here;
  int64_t resumed_epoch = 0, resumed_step = 0;
};

const Given kShort{{"rounds", "3"},       {"basis_epochs", "2"},  {"coordinate_epochs", "2"},
                   {"prune_epochs", "1"}, {"polish_epochs", "2"}, {"polish_coordinate_epochs", "1"},
                   {"target_bits", "1.5"}};
constexpr int64_t kShortEpochs = 3 * 5 + 3;

TEST(Alq, MakesThePublishedScheduleOfLenet5) {
  Training t({}, 194);
  t.start();

  ASSERT_EQ(t.phases.size(), 14u);
  const auto rate = [&](size_t phase, double epoch) {
    return t.phases[phase].groups[0].optimizer.lr * t.phases[phase].schedule.factor(epoch);
  };
  EXPECT_EQ(t.phases[0].name, "bases 1");
  EXPECT_EQ(t.phases[0].epochs, 20);
  EXPECT_NEAR(rate(0, 0), 0.8e-3, 1e-12) << "the rate falls before the first epoch";
  EXPECT_NEAR(rate(1, 0), 1e-3 * std::pow(0.8, 21), 1e-12);
  EXPECT_NEAR(rate(2, 0), 1.2e-6, 0.05e-6) << "pruning keeps the last rate";
  EXPECT_FALSE(t.phases[2].train_mode);
  EXPECT_EQ(t.phases[2].epochs, 1);
  EXPECT_NEAR(rate(3, 0), 0.8e-3, 1e-12) << "each round starts anew";
  EXPECT_EQ(t.phases[12].name, "polish");
  EXPECT_EQ(t.phases[12].epochs, 50);
  EXPECT_NEAR(rate(12, 49), 1e-3 * std::pow(0.95, 50), 1e-12);
  EXPECT_EQ(t.phases[13].epochs, 20);
  EXPECT_NEAR(rate(13, 0), 1e-3 * std::pow(0.95, 50) * 0.9, 1e-12);
}

TEST(Alq, CutsTheScheduleInProportionToTheBudget) {
  Training t({}, 97);
  t.start();
  int64_t epochs = 0;
  for (const Phase& phase : t.phases) epochs += phase.epochs;

  EXPECT_EQ(epochs, 97);
  Training one({}, 1);
  one.start();
  EXPECT_EQ(one.phases.size(), 1u);
}

TEST(Alq, LeavesReplacedWeightsOutOfTheTrainersGroups) {
  Training t({}, 2);
  t.start();

  EXPECT_EQ(t.phases[0].groups[0].parameters.size(), 5u) << "two BatchNorms and a bias";
  EXPECT_EQ(t.phases[0].groups[0].optimizer.kind, OptimizerConfig::Kind::Adam);
}

TEST(Alq, ASketchedNetworkAnswersNearlyAsBefore) {
  Training t({}, 2);
  const torch::NoGradGuard no_grad;
  t.network.eval();
  const Tensor before = t.network.forward(t.batches[0]);

  t.start();

  EXPECT_LE((t.network.forward(t.batches[0]) - before).norm().item<double>(),
            0.1 * before.norm().item<double>());
}

TEST(Alq, PrunesToItsTargetAndLearnsAllTheWhile) {
  Training t(kShort, kShortEpochs);
  t.start();
  double first = 0, bits = 6;
  int last_phase = 0;

  const double last = t.run(0, 0, [&](int phase, int64_t global) {
    const double now = t.method.figures().at(0).second;
    EXPECT_LE(now, bits + 1e-12) << "no base comes back";
    bits = now;
    last_phase = phase;
    if (global == 0) {
      const torch::NoGradGuard no_grad;
      t.network.train();
      first = torch::cross_entropy_loss(t.network.forward(t.batches[0]), t.batches[0].target)
                  .item<double>();
    }
  });

  EXPECT_LE(bits, 1.5);
  EXPECT_GT(bits, 1.2);
  EXPECT_LT(last, 0.5 * first);
  EXPECT_EQ(last_phase, static_cast<int>(t.phases.size()) - 1);
}

TEST(Alq, GoesOnToPolishingAsSoonAsTheTargetIsMet) {
  Given given = kShort;
  given["target_bits"] = "3";
  Training t(given, kShortEpochs);
  t.start();
  std::vector<std::string> seen;

  t.run(0, 0, [&](int phase, int64_t) {
    const std::string& name = t.phases[static_cast<size_t>(phase)].name;
    if (seen.empty() || seen.back() != name) seen.push_back(name);
  });

  EXPECT_EQ(seen, (std::vector<std::string>{"bases 1", "coordinates 1", "prune 1", "polish",
                                            "polish coordinates"}));
}

TEST(Alq, AResumedTrainingEqualsOneThatNeverStopped) {
  // A cut inside each kind of phase: bases, coordinates, pruning, polishing.
  for (int64_t cut : {8, 20, 27, 74}) {
    Training whole(kShort, kShortEpochs);
    whole.start();
    MethodState state;
    std::map<std::string, Tensor> tensors;
    std::tuple<int, int64_t, int64_t> where{-1, 0, 0};
    whole.run(0, 0, [&](int, int64_t global) {
      if (global != cut) return;
      state = whole.method.save();
      tensors = tensors_of(whole.network);
      where = whole.here;
    });
    ASSERT_GE(std::get<0>(where), 0) << "the training has fewer steps than " << cut;
    Training resumed(kShort, kShortEpochs);
    resumed.resume(state, tensors);
    resumed.resumed_epoch = std::get<1>(where);
    resumed.resumed_step = std::get<2>(where);
    resumed.run(std::get<0>(where), cut);

    const auto a = tensors_of(whole.network), b = tensors_of(resumed.network);
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [name, tensor] : a)
      EXPECT_TRUE(torch::equal(tensor, b.at(name))) << cut << " " << name;
  }
}

// Bytes at an average width that every group shares, to the byte.
TEST(Alq, CountsTheSizeAsThePaperDoes) {
  const auto bytes = [](const std::string& model, const Graph& graph, const Given& given,
                        double bits) {
    Network network(graph, RandomStream(1, "init"));
    Given options = given;
    options["bases"] = "1";
    Alq method(OptionValues("method alq", alq_card().options, options));
    std::vector<Batch> none;
    MethodContext context{network, none, RandomStream(1, "method"), {}, [](const std::string&) {}};
    method.plan(context);
    method.attach(network);
    double one = 0;
    int64_t parameters = 0;
    for (const Site& site : weight_sites(graph)) {
      const PaperSize size = method.paper_size(site, method.encode(network, site));
      one += size.bits;
      parameters += size.parameters;
    }
    EXPECT_DOUBLE_EQ(method.figures().at(0).second, 1) << model << ": all groups have one base";
    return std::make_pair(parameters, std::floor(bits * one / 8));
  };

  const Graph lenet = build_model("lenet5", {{1, 28, 28}, 10}, {});
  EXPECT_EQ(bytes("lenet5", lenet, {{"first_grouping", "kernel"}, {"grouping", "kernel"}}, 0.4),
            std::make_pair(int64_t{430500}, 24773.0));
  const Graph resnet = build_model("resnet18", {{3, 224, 224}, 1000}, {});
  EXPECT_EQ(bytes("resnet18", resnet, {{"parts", "2"}}, 2),
            std::make_pair(int64_t{11678912}, 3219888.0));
}

TEST(Alq, RefusesPartsThatDoNotFit) {
  EXPECT_THROW(Alq(OptionValues("method alq", alq_card().options, {{"parts", "two"}})), Error);
  Training t(Given{{"parts", "7"}}, 2);
  EXPECT_THROW(t.start(), Error);
}

}  // namespace
}  // namespace quantbench
