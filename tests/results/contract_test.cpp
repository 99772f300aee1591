#include "results/contract.h"

#include <gmock/gmock.h>

#include "results/compare/candidate.h"
#include "results/schema.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Contract contract_of_run(const Store& store, int64_t run) {
  Statement query = store.connection().prepare("SELECT contract FROM results WHERE run = ?");
  query.bind(run).step();
  return contract_row(store, query.integer());
}

TEST(Contract, SaysWhichLayersStayInFloatOrAtEightBits) {
  RunRecord run;
  run.recipe = "batch = 20\nfp32.weights = w.pth\n";
  const std::vector<SiteRow> sites{{"conv1", "weight", 32, 1, 1, 0, "float"},
                                   {"conv2", "weight", 4, 1, 1, 16, "uniform"},
                                   {"fc", "weight", 8, 1, 1, 99, "uniform"}};

  const Contract c = contract_of(run, {}, sites, 0);

  EXPECT_EQ(c.float_layers, "conv1");
  EXPECT_EQ(c.eight_bit_layers, "fc");
  EXPECT_EQ(c.baseline, "weights w.pth");
  EXPECT_EQ(c.training_budget, "none");
  EXPECT_EQ(c.activation_bits, "unknown");
}

TEST(Contract, EightBitsThroughoutIsNoException) {
  const Contract c = contract_of({}, {}, {{"a", "weight", 8, 1, 1, 1, "uniform"}}, 0);

  EXPECT_EQ(c.eight_bit_layers, "none");
  EXPECT_EQ(c.float_layers, "none");
}

TEST(Contract, DifferencesNameWhatDiffers) {
  Contract a, b;
  a.activation_bits = "8.0";
  b.activation_bits = "4.0";
  a.training_budget = b.training_budget = "2 epochs, batch 20";

  EXPECT_THAT(differences(a, b), ElementsAre("activation bits (8.0 / 4.0)"));
  EXPECT_THAT(differences(a, a), IsEmpty());
}

TEST(Contract, RecipeWithoutItsSeedIsTheConfiguration) {
  EXPECT_EQ(without_seed("batch = 2\nconvert = qonnx\nseed = 7\nuniform.seed = 1\n"),
            "batch = 2\nuniform.seed = 1\n");
  EXPECT_EQ(recipe_value("a.seed = 3\nseed = 7\n", "seed"), "7");
  EXPECT_EQ(recipe_value("a.seed = 3\n", "seed"), "");
  EXPECT_EQ(settings_of("bsq.scheme = " + std::string(65, 'a') + "\n", "bsq"),
            "scheme=sha256:635361c48bb9");
  EXPECT_EQ(settings_of("uniform.rule = lsq\nuniform.weight_bits = 4\n", "uniform"),
            "rule=lsq weight_bits=4");
}

TEST_F(StoreTest, FinishedRunHasAContract) {
  Store store(path());
  const int64_t run = add_run(store, {});

  const Contract c = contract_of_run(store, run);

  EXPECT_EQ(c.activation_bits, "8.0");
  EXPECT_EQ(c.eight_bit_layers, "conv1");
  EXPECT_EQ(c.training_budget, "1 epochs, batch 20");
  EXPECT_THAT(c.baseline, HasSubstr("4 epochs"));
}

TEST_F(StoreTest, RunsOfVersionOneGetUidConfigurationAndContract) {
  {
    Connection database(path(), Connection::Access::Write);
    upgrade(database, {migrations()[0]});
    database.execute(
        "INSERT INTO recipes VALUES (1, 'r', 'batch = 20' || char(10) || 'seed = 1' || char(10)), "
        "(2, 's', 'batch = 20' || char(10) || 'seed = 2' || char(10));"
        "INSERT INTO provenances VALUES (1, 'p', '', 0, '', '', '', '{}', '', '', '', '', '', 1, "
        "'cpu');"
        "INSERT INTO runs (identity, repetition, status, method, method_version, model, dataset, "
        "dataset_fingerprint, preprocessing, seed, recipe, provenance, started, folder) VALUES "
        "('a', 0, 'ok', 'fp32', 1, 'm', 'd', 'f', 'p', 1, 1, 1, 't', 'x'), "
        "('b', 0, 'failed', 'fp32', 1, 'm', 'd', 'f', 'p', 2, 2, 1, 't', 'y');"
        "INSERT INTO results (run, weights_hash, package_hash, predictions_hash) VALUES "
        "(1, '', '', '')");
  }
  const Store store(path());

  EXPECT_EQ(store.connection().integer("SELECT count(DISTINCT uid) FROM runs"), 2);
  EXPECT_EQ(store.connection().integer("SELECT count(DISTINCT configuration) FROM runs"), 1);
  EXPECT_EQ(contract_of_run(store, 1).training_budget, "none");
}

TEST_F(StoreTest, TimesOfVersionFiveStayWithoutATail) {
  {
    Store store(path());
    SomeRun run;
    run.latency_ms = 2;
    add_run(store, run);
    store.connection().execute(
        "ALTER TABLE latencies DROP COLUMN p50_ms; ALTER TABLE latencies DROP COLUMN p90_ms; "
        "ALTER TABLE latencies DROP COLUMN p99_ms; "
        "ALTER TABLE latencies DROP COLUMN offline_batch; "
        "ALTER TABLE latencies DROP COLUMN offline_per_second; PRAGMA user_version = 5");
  }
  const Store store(path());

  const auto latencies = store.latencies(1);
  ASSERT_EQ(latencies.size(), 1u);
  EXPECT_EQ(latencies[0].median_ms, 2);
  EXPECT_EQ(latencies[0].p99_ms, std::nullopt);
  EXPECT_EQ(latencies[0].offline_per_second, std::nullopt);
}

TEST_F(StoreTest, ContractsOfVersionTwoAreDerivedAnew) {
  {
    Store store(path());
    add_run(store, {});
    store.connection().execute(
        "UPDATE contracts SET training_budget = '2 epochs, batch 20', sha256 = 'old'; "
        "ALTER TABLE results DROP COLUMN size_paper_parameters; "
        "ALTER TABLE results DROP COLUMN overhead; DROP TABLE figures; "
        "ALTER TABLE runs DROP COLUMN name; ALTER TABLE runs DROP COLUMN tags; "
        "ALTER TABLE latencies DROP COLUMN p50_ms; ALTER TABLE latencies DROP COLUMN p90_ms; "
        "ALTER TABLE latencies DROP COLUMN p99_ms; "
        "ALTER TABLE latencies DROP COLUMN offline_batch; "
        "ALTER TABLE latencies DROP COLUMN offline_per_second; "
        "PRAGMA user_version = 2");
  }
  const Store store(path());

  EXPECT_EQ(contract_of_run(store, 1).training_budget, "1 epochs, batch 20");
  EXPECT_EQ(store.connection().integer("SELECT count(*) FROM contracts"), 1);
}

}  // namespace
}  // namespace quantbench
