#include "bench/trainer.h"

#include <gtest/gtest.h>

#include "base/error.h"
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

  void train() {
    Trainer trainer(*network, *method, *dataset, config,
                    {[&](Checkpoint& c) { saved.push_back(c); },
                     [&](const EpochRow& row) { rows.push_back(row); }, display});
    trainer.run(std::nullopt);
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

}  // namespace
}  // namespace quantbench
