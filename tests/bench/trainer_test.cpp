#include "bench/trainer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "bench/data_source.h"
#include "bench/recipe.h"
#include "bench/session.h"
#include "models/model.h"

namespace quantbench {
namespace {

struct Bench {
  explicit Bench(Select select = Select::Last, double ema = 0) {
    recipe = expand({{"method", {"fp32"}},
                     {"model", {"lenet5"}},
                     {"dataset", {"synthetic_images"}},
                     {"synthetic_images.train", {"300"}},
                     {"synthetic_images.test", {"50"}},
                     {"synthetic_images.validation", {"50"}}})
                 .at(0);
    dataset = open_dataset(recipe, "");
    network = std::make_unique<Network>(
        build_model("lenet5", {dataset->input_shape(), dataset->class_count()}));
    method = methods().get("fp32").make(OptionValues());
    config.stage = "train";
    config.batch = 50;
    config.select = select;
    config.ema = ema;
    config.checkpoint_seconds = 1e9;
    config.budget.epochs = 2;
    config.budget.optimizer.lr = 0.05;
    config.context = [this] {
      return MethodContext{
          *network, calibration, RandomStream(1, "method"), {}, [](const std::string&) {}};
    };
  }

  void train(const std::optional<Checkpoint>& from = std::nullopt) {
    if (from) restore(*network, *method, from->state);
    Trainer trainer(*network, *method, *dataset, config,
                    {[&](Checkpoint& c) {
                       saved.push_back(c);  // a file would hold numbers, not what moves on
                       for (auto& [name, tensor] : saved.back().optimizer) tensor = tensor.clone();
                     },
                     [&](const EpochRow& row) { rows.push_back(row); }, display});
    trainer.run(from);
    kept = trainer.kept();
    chosen = trainer.validation_top1();
  }

  Batch validation() const {
    BatchRequest all;
    for (int64_t i = 0; i < 50; ++i) all.positions.push_back(i);
    return dataset->batch(Split::Validation, all);
  }

  Recipe recipe;
  std::unique_ptr<Dataset> dataset;
  std::unique_ptr<Network> network;
  std::unique_ptr<Method> method;
  std::vector<Batch> calibration;
  TrainerConfig config;
  std::vector<Checkpoint> saved;
  std::vector<EpochRow> rows;
  std::map<std::string, SavedState> kept;
  std::optional<double> chosen;
  ProgressDisplay display{true};
};

TEST(Trainer, LossFallsAndEveryEpochIsReported) {
  Bench bench;
  bench.config.budget.epochs = 4;

  bench.train();

  ASSERT_EQ(bench.rows.size(), 4u);
  EXPECT_LT(bench.rows[3].train_loss, bench.rows[0].train_loss);
  // At the start, when the phase has begun, at its end.
  ASSERT_EQ(bench.saved.size(), 3u);
  EXPECT_FALSE(bench.saved[0].position.begun);
  EXPECT_TRUE(bench.saved[1].position.begun);
  EXPECT_EQ(bench.saved[2].position.phase, 1);
}

TEST(Trainer, ABatchInPartsHasTheGradientOfTheWhole) {
  Bench whole, parts;
  parts.config.division.parts = 7;  // of 50 samples: 8, ..., 8, 2

  whole.train();
  parts.train();

  EXPECT_NEAR(parts.rows[1].train_loss, whole.rows[1].train_loss, 1e-4);
  EXPECT_EQ(parts.rows[1].train_top1, whole.rows[1].train_top1);
  const auto expected = whole.network->state(), got = parts.network->state();
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(torch::allclose(got[i].second, expected[i].second, 1e-3, 1e-5))
        << expected[i].first;
}

TEST(Trainer, GoesOnWithBatchesInPartsToTheSameBits) {
  Bench straight, resumed;
  straight.config.division.parts = resumed.config.division.parts = 3;
  straight.config.checkpoint_seconds = 0;  // before each step
  straight.train();
  const Checkpoint& middle = straight.saved.at(straight.saved.size() / 2);
  ASSERT_GT(middle.position.step, 0);

  resumed.train(middle);

  const auto expected = straight.network->state(), got = resumed.network->state();
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(torch::equal(got[i].second, expected[i].second)) << expected[i].first;
}

TEST(Trainer, ANonFiniteLossIsOneSentence) {
  Bench bench;
  bench.config.budget.optimizer.lr = 1e30;

  try {
    bench.train();
    FAIL() << "a rate of 1e30 must not train";
  } catch (const Error& problem) {
    EXPECT_NE(std::string(problem.what()).find("train.lr"), std::string::npos) << problem.what();
  }
}

TEST(Trainer, TheBestEpochByValidationGoesOn) {
  Bench bench(Select::BestTop1);
  bench.config.budget.epochs = 6;

  bench.train();

  double best = 0;
  for (const EpochRow& row : bench.rows) best = std::max(best, row.validation_top1);
  bench.network->eval();
  const Batch batch = bench.validation();
  const double top1 = bench.network->forward(batch)
                          .argmax(1)
                          .eq(batch.target)
                          .to(torch::kFloat)
                          .mean()
                          .item<double>();
  EXPECT_NEAR(top1, best, 1e-6);
}

TEST(Trainer, TheEpochOfLeastLossGoesOn) {
  Bench bench(Select::BestLoss);
  // A rate that grows until it spoils what was learned.
  bench.config.budget.epochs = 6;
  bench.config.budget.schedule.kind = Schedule::Kind::Step;
  bench.config.budget.schedule.milestones = {3, 4, 5};
  bench.config.budget.schedule.gamma = 4;

  bench.train();

  double least = INFINITY;
  for (const EpochRow& row : bench.rows) least = std::min(least, row.validation_loss);
  bench.network->eval();
  const Batch batch = bench.validation();
  const Tensor loss = torch::cross_entropy_loss(bench.network->forward(batch), batch.target);
  EXPECT_NEAR(loss.item<double>(), least, 1e-5);
  EXPECT_GT(bench.rows.back().validation_loss, least) << "the last epoch would show nothing";
}

TEST(Trainer, AnAverageOfTheWeightsReplacesThem) {
  Bench plain, averaged(Select::Last, 0.9);

  plain.train();
  averaged.train();

  EXPECT_NE(hash_of(snapshot(*plain.network)), hash_of(snapshot(*averaged.network)));
  // What is trained on is the plain network in both: the same losses.
  EXPECT_EQ(plain.rows[1].train_loss, averaged.rows[1].train_loss);
}

TEST(Trainer, TheMethodDoesNotDisturbTheOrderOfTheData) {
  struct Drawing : Method {
    void attach(Network&) override {}
    void before_step(Network&, const Progress&) override { torch::rand({100}); }
  };
  Bench plain, drawing;
  drawing.method = std::make_unique<Drawing>();

  plain.train();
  drawing.train();

  EXPECT_EQ(hash_of(snapshot(*plain.network)), hash_of(snapshot(*drawing.network)));
}

// The FP32 network in phases of given names, one epoch each, and what the trainer told it.
struct Phased : Method {
  explicit Phased(std::vector<std::string> of) : names(std::move(of)) {}
  void attach(Network&) override {}
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override {
    std::vector<Phase> out;
    for (const std::string& name : names) {
      out.push_back(Method::phases(network, budget).at(0));
      out.back().name = name;
      out.back().schedule.first_epoch = static_cast<double>(out.size() - 1) * 2;
    }
    if (selectable) out[0].selectable = true;
    return out;
  }
  void begin_phase(MethodContext&, int phase) override { begun.push_back(phase); }
  void before_step(Network&, const Progress& progress) override { seen.push_back(progress); }
  EpochVerdict after_epoch(Network&, const EpochReport& report) override {
    ++epochs;
    return verdict && report.progress.phase == 0 ? verdict(report) : EpochVerdict{};
  }
  MethodState save() const override {
    MethodState state;
    state.values["epochs"] = epochs;
    return state;
  }
  void load(const MethodState& state) override { epochs = state.values.at("epochs"); }

  std::vector<std::string> names;
  bool selectable = false;
  std::function<EpochVerdict(const EpochReport&)> verdict;
  std::vector<int> begun;
  std::vector<Progress> seen;
  int epochs = 0;
};

struct PhasedBench : Bench {
  explicit PhasedBench(std::vector<std::string> names, Select select = Select::Last)
      : Bench(select) {
    auto made = std::make_unique<Phased>(std::move(names));
    phased = made.get();
    method = std::move(made);
  }
  Phased* phased;
};

TEST(Trainer, PhasesOfOneNameAreRefused) {
  PhasedBench bench({"train", "train"});

  EXPECT_THROW(bench.train(), Error);
}

TEST(Trainer, AMethodThatRenamesItsPhasesOnTheWayIsRefused) {
  struct Renaming : Phased {
    using Phased::Phased;
    void begin_phase(MethodContext&, int) override { names = {"other"}; }
  };
  Bench bench;
  bench.method = std::make_unique<Renaming>(std::vector<std::string>{"one"});

  EXPECT_THROW(bench.train(), Error);
}

TEST(Trainer, APhaseIsLeftForALaterOneOnly) {
  PhasedBench bench({"a", "b", "c"});
  bench.phased->verdict = [](const EpochReport&) { return EpochVerdict{"", {}, true, "c"}; };
  bench.train();
  EXPECT_EQ(bench.phased->begun, (std::vector<int>{0, 2}));
  ASSERT_EQ(bench.rows.size(), 3u) << "one epoch of a, two of c";
  EXPECT_EQ(bench.rows[1].stage, "train:c");

  PhasedBench back({"a", "b", "c"}), nowhere({"a", "b", "c"}), unasked({"a", "b", "c"});
  back.phased->verdict = [](const EpochReport&) { return EpochVerdict{"", {}, true, "a"}; };
  nowhere.phased->verdict = [](const EpochReport&) { return EpochVerdict{"", {}, true, "d"}; };
  unasked.phased->verdict = [](const EpochReport&) { return EpochVerdict{"", {}, false, "b"}; };
  EXPECT_THROW(back.train(), Error);
  EXPECT_THROW(nowhere.train(), Error);
  EXPECT_THROW(unasked.train(), Error);
}

TEST(Trainer, ProgressCountsWhatWasRun) {
  PhasedBench bench({"a", "b"});
  bench.phased->verdict = [](const EpochReport&) { return EpochVerdict{"", {}, true, ""}; };
  bench.config.budget.schedule.kind = Schedule::Kind::Step;
  bench.config.budget.schedule.milestones = {2};

  bench.train();

  // One epoch of a and two of b, six steps each.
  ASSERT_EQ(bench.phased->seen.size(), 18u);
  const Progress& last = bench.phased->seen.back();
  EXPECT_EQ(last.epoch, 1);
  EXPECT_EQ(last.global_epoch, 2);
  EXPECT_EQ(last.global_step, 17);
  EXPECT_DOUBLE_EQ(bench.phased->seen[0].learning_rate, 0.05);
  EXPECT_DOUBLE_EQ(last.learning_rate, 0.005);
  EXPECT_NE(last.random.bits(0), bench.phased->seen[16].random.bits(0));
}

TEST(Trainer, TheBestEpochIsOneOfTheLastPhaseUnlessAnotherMayGiveIt) {
  for (bool selectable : {false, true}) {
    PhasedBench bench({"good", "bad"}, Select::BestLoss);
    bench.phased->selectable = selectable;
    // The second phase forgets.
    bench.config.budget.epochs = 2;
    bench.config.budget.schedule.kind = Schedule::Kind::Step;
    bench.config.budget.schedule.milestones = {2, 3};
    bench.config.budget.schedule.gamma = 40;
    bench.config.budget.clip_grad_norm = 1;  // forgets, but stays finite

    bench.train();

    ASSERT_EQ(bench.rows.size(), 4u);
    const auto loss = [&](size_t i) { return bench.rows[i].validation_loss; };
    ASSERT_LT(std::min(loss(0), loss(1)), std::min(loss(2), loss(3)))
        << "the second phase must be worse to show anything";
    // The method's own state is that of the epoch which goes on.
    const size_t wanted = selectable ? (loss(1) < loss(0) ? 2 : 1) : (loss(3) < loss(2) ? 4 : 3);
    EXPECT_EQ(bench.phased->epochs, static_cast<int>(wanted));
    EXPECT_EQ(bench.chosen, bench.rows[wanted - 1].validation_top1);
  }
}

TEST(Trainer, KeptStatesCarryTheMethodsOwn) {
  PhasedBench bench({"a", "b"});
  bench.phased->verdict = [](const EpochReport& report) {
    return EpochVerdict{"epoch-" + std::to_string(report.progress.epoch), {}, false, ""};
  };

  bench.train();

  EXPECT_EQ(bench.kept.at("epoch-0").method.values["epochs"], 1);
  EXPECT_EQ(bench.kept.at("epoch-1").method.values["epochs"], 2);
  EXPECT_EQ(bench.saved.back().kept.size(), 2u);
  PhasedBench path({"a"});
  path.phased->verdict = [](const EpochReport&) { return EpochVerdict{"../up", {}, false, ""}; };
  EXPECT_THROW(path.train(), Error);
}

TEST(Trainer, ANonFiniteLossIsNamedByItsStep) {
  struct Breaking : Method {
    void attach(Network&) override {}
    Tensor loss_term(Network&, const Progress& progress) override {
      return torch::full({}, progress.global_step == 8 ? INFINITY : 0);
    }
  };
  Bench bench;
  bench.method = std::make_unique<Breaking>();

  try {
    bench.train();
    FAIL() << "the ninth step has an infinite loss";
  } catch (const Error& problem) {
    EXPECT_NE(std::string(problem.what()).find("epoch 2, step 3"), std::string::npos)
        << problem.what();
  }
  EXPECT_EQ(bench.rows.size(), 1u);
  for (const Checkpoint& checkpoint : bench.saved) EXPECT_EQ(checkpoint.position.epoch, 0);
}

}  // namespace
}  // namespace quantbench
