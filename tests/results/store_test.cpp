#include "results/store.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "results/sqlite.h"
#include "tests/results/support.h"

namespace quantbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void expect_equal(const Provenance& a, const Provenance& b) {
  EXPECT_EQ(a.source_revision, b.source_revision);
  EXPECT_EQ(a.source_dirty, b.source_dirty);
  EXPECT_EQ(a.compiler, b.compiler);
  EXPECT_EQ(a.compiler_flags, b.compiler_flags);
  EXPECT_EQ(a.build_type, b.build_type);
  EXPECT_EQ(a.libraries, b.libraries);
  EXPECT_EQ(a.cpu, b.cpu);
  EXPECT_EQ(a.gpu, b.gpu);
  EXPECT_EQ(a.isa, b.isa);
  EXPECT_EQ(a.blas, b.blas);
  EXPECT_EQ(a.os, b.os);
  EXPECT_EQ(a.threads, b.threads);
  EXPECT_EQ(a.device, b.device);
}

void expect_equal(const RunRecord& a, const RunRecord& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.identity, b.identity);
  EXPECT_EQ(a.repetition, b.repetition);
  EXPECT_EQ(a.recipe, b.recipe);
  EXPECT_EQ(a.method, b.method);
  EXPECT_EQ(a.method_version, b.method_version);
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.dataset, b.dataset);
  EXPECT_EQ(a.dataset_fingerprint, b.dataset_fingerprint);
  EXPECT_EQ(a.preprocessing, b.preprocessing);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.folder, b.folder);
  expect_equal(a.provenance, b.provenance);
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.started, b.started);
  EXPECT_EQ(a.finished, b.finished);
}

std::vector<int64_t> ids(const std::vector<RunRecord>& runs) {
  std::vector<int64_t> out;
  for (const RunRecord& run : runs) out.push_back(run.id);
  return out;
}

TEST_F(StoreTest, RunReadsBackAsItWasBegun) {
  Store store(path());

  const RunRecord begun = store.begin(some_run());

  EXPECT_GT(begun.id, 0);
  EXPECT_EQ(begun.status, RunStatus::Running);
  EXPECT_EQ(begun.started.size(), std::string("2024-01-01T00:00:00Z").size());
  expect_equal(Store(path()).run(begun.id), begun);
}

TEST_F(StoreTest, LargestSeedIsKept) {
  Store store(path());
  RunRecord run = some_run();
  run.seed = std::numeric_limits<uint64_t>::max();

  const RunRecord begun = store.begin(run);

  EXPECT_EQ(store.run(begun.id).seed, std::numeric_limits<uint64_t>::max());
}

TEST_F(StoreTest, ResultReadsBackFieldByField) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;
  RunResult r;
  r.top1_fp32 = 0.9173;
  r.top1_simulated = 0.9171;
  r.top1_shipped = 0.9169;
  r.top5_simulated = 0.99;
  r.validation_top1 = 0.91;
  r.test_loss = 0.3;
  r.test_samples = 10000;
  r.size_bytes = 280000;
  r.size_paper_bits = 2160000;
  r.size_paper_parameters = 270000;
  r.overhead = 0.01;
  r.figures = {{"ebops", 4711.5}, {"another", 1}};
  r.weight_bits_average = 8.0;
  r.activation_bits_average = 7.5;
  r.macs = 40813184;
  r.bops = 2612043776;
  r.integer_share = 0.98;
  r.train_seconds = 12.5;
  r.total_seconds = 20.25;
  r.weights_hash = "w";
  r.package_hash = "p";
  r.predictions_hash = "q";

  store.finish(id, RunStatus::Ok, "", r, {}, {}, {}, {});

  const RunResult got = store.result(id);
  EXPECT_EQ(got.top1_fp32, r.top1_fp32);
  EXPECT_EQ(got.top1_simulated, r.top1_simulated);
  EXPECT_EQ(got.top1_shipped, r.top1_shipped);
  EXPECT_EQ(got.top5_simulated, r.top5_simulated);
  EXPECT_EQ(got.validation_top1, r.validation_top1);
  EXPECT_EQ(got.test_loss, r.test_loss);
  EXPECT_EQ(got.test_samples, r.test_samples);
  EXPECT_EQ(got.size_bytes, r.size_bytes);
  EXPECT_EQ(got.size_paper_bits, r.size_paper_bits);
  EXPECT_EQ(got.size_paper_parameters, r.size_paper_parameters);
  EXPECT_EQ(got.overhead, r.overhead);
  EXPECT_EQ(got.figures, r.figures);
  EXPECT_EQ(got.weight_bits_average, r.weight_bits_average);
  EXPECT_EQ(got.activation_bits_average, r.activation_bits_average);
  EXPECT_EQ(got.macs, r.macs);
  EXPECT_EQ(got.bops, r.bops);
  EXPECT_EQ(got.integer_share, r.integer_share);
  EXPECT_EQ(got.train_seconds, r.train_seconds);
  EXPECT_EQ(got.total_seconds, r.total_seconds);
  EXPECT_EQ(got.weights_hash, "w");
  EXPECT_EQ(got.package_hash, "p");
  EXPECT_EQ(got.predictions_hash, "q");
}

TEST_F(StoreTest, AbsentFieldsAndNaNOfAResultStayAbsent) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;
  RunResult result;
  result.test_loss = std::nan("");

  store.finish(id, RunStatus::Mistrusted, "The loss is not a number.", result, {}, {}, {}, {});

  EXPECT_EQ(store.result(id).top1_fp32, std::nullopt);
  EXPECT_EQ(store.result(id).test_loss, std::nullopt);
}

TEST_F(StoreTest, RunWithoutOutcomeHasAnEmptyResult) {
  Store store(path());

  const int64_t id = store.begin(some_run()).id;

  EXPECT_EQ(store.result(id).top1_simulated, std::nullopt);
  EXPECT_TRUE(store.sites(id).empty());
  EXPECT_TRUE(store.predictions(id).empty());
}

TEST_F(StoreTest, FinishKeepsSitesLatenciesPredictionsAndArtefactsInOrder) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;

  store.finish(id, RunStatus::Ok, "", {},
               {{"conv1.weight", "weight", 4.5, 432, 442368, 16, "uniform"},
                {"bn1.output", "output", 8, 16384, 0, 0, "uniform"}},
               {{"package", "integer with dequantized parts", "reference", "AVX2", 2, 1, 3.5, 3.25,
                 4.0, 20, 3.5, 3.75, 9.0, 64, 400.5}},
               {{"simulated", {7, 3, 2147483647}, {1, -1, 9}, {1, 0, 9}}, {"shipped", {}, {}, {}}},
               {{"bits.json", "{}"}, {"notes", ""}});

  const auto sites = store.sites(id);
  ASSERT_EQ(sites.size(), 2u);
  EXPECT_EQ(sites[0].name, "conv1.weight");
  EXPECT_EQ(sites[0].kind, "weight");
  EXPECT_EQ(sites[0].bits, 4.5);
  EXPECT_EQ(sites[0].elements, 432);
  EXPECT_EQ(sites[0].macs, 442368);
  EXPECT_EQ(sites[0].levels, 16);
  EXPECT_EQ(sites[0].encoding, "uniform");
  EXPECT_EQ(sites[1].name, "bn1.output");
  const auto latencies = store.latencies(id);
  ASSERT_EQ(latencies.size(), 1u);
  EXPECT_EQ(latencies[0].subject, "package");
  EXPECT_EQ(latencies[0].kind, "integer with dequantized parts");
  EXPECT_EQ(latencies[0].engine, "reference");
  EXPECT_EQ(latencies[0].isa, "AVX2");
  EXPECT_EQ(latencies[0].threads, 2);
  EXPECT_EQ(latencies[0].batch, 1);
  EXPECT_EQ(latencies[0].median_ms, 3.5);
  EXPECT_EQ(latencies[0].low_ms, 3.25);
  EXPECT_EQ(latencies[0].high_ms, 4.0);
  EXPECT_EQ(latencies[0].repetitions, 20);
  EXPECT_EQ(latencies[0].p50_ms, 3.5);
  EXPECT_EQ(latencies[0].p90_ms, 3.75);
  EXPECT_EQ(latencies[0].p99_ms, 9.0);
  EXPECT_EQ(latencies[0].offline_batch, 64);
  EXPECT_EQ(latencies[0].offline_per_second, 400.5);
  const auto predictions = store.predictions(id);
  ASSERT_EQ(predictions.size(), 2u);
  EXPECT_EQ(predictions[0].kind, "simulated");
  EXPECT_THAT(predictions[0].sample, ElementsAre(7, 3, 2147483647));
  EXPECT_THAT(predictions[0].predicted, ElementsAre(1, -1, 9));
  EXPECT_THAT(predictions[0].target, ElementsAre(1, 0, 9));
  EXPECT_TRUE(predictions[1].sample.empty());
  EXPECT_EQ(store.artefacts(id),
            (std::map<std::string, std::string>{{"bits.json", "{}"}, {"notes", ""}}));
}

TEST_F(StoreTest, FinishSetsStatusReasonAndTime) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;

  store.finish(id, RunStatus::Mistrusted, "Shipped accuracy differs.", {}, {}, {}, {}, {});

  EXPECT_EQ(store.run(id).status, RunStatus::Mistrusted);
  EXPECT_EQ(store.run(id).reason, "Shipped accuracy differs.");
  EXPECT_FALSE(store.run(id).finished.empty());
}

TEST_F(StoreTest, FinishThatFailsHalfWayChangesNothing) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;
  const PredictionRow twice{"simulated", {0}, {1}, {1}};
  const SiteRow site{"conv1.weight", "weight", 8, 1, 1, 1, "uniform"};

  const std::string sentence = sentence_of([&] {
    store.finish(id, RunStatus::Ok, "", {}, {site}, {}, {twice, twice}, {});
  });

  EXPECT_THAT(sentence, HasSubstr("refused"));
  EXPECT_EQ(store.run(id).status, RunStatus::Running);
  EXPECT_TRUE(store.sites(id).empty());
}

TEST_F(StoreTest, PredictionColumnsOfDifferentLengthAreRefused) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;

  const std::string sentence = sentence_of([&] {
    store.finish(id, RunStatus::Ok, "", {}, {}, {}, {{"simulated", {0, 1}, {1}, {1, 1}}}, {});
  });

  EXPECT_THAT(sentence, HasSubstr("2 samples, 1 answers and 2 targets"));
}

TEST_F(StoreTest, TenThousandPredictionsTakeLittleRoom) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;
  PredictionRow row{"simulated", {}, {}, {}};
  for (int32_t i = 0; i < 10000; ++i) {
    row.sample.push_back(i);
    row.target.push_back(static_cast<int32_t>((static_cast<uint32_t>(i) * 2654435761u) >> 16) % 10);
    row.predicted.push_back(row.target.back());
  }

  store.finish(id, RunStatus::Ok, "", {}, {}, {}, {row}, {});

  const Connection database(path(), Connection::Access::Read);
  EXPECT_LT(database.integer("SELECT length(data) FROM predictions"), 30000);
  EXPECT_EQ(store.predictions(id)[0].sample, row.sample);
}

TEST_F(StoreTest, EpochsKeepTheOrderOfStagesAndReplaceTheSameEpoch) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;
  store.add_epochs(id, {{"warm", 0, 2.5, 0.1, 2.0, 0.2, 0.1, 9}, {"warm", 1, 2, 0, 0, 0, 0, 0}});
  store.add_epochs(id, {{"fine", 0, 1, 0, 0, 0, 0, 0}});

  store.add_epochs(id, {{"warm", 1, 1.5, 0.4, 1.25, 0.5, 0.05, 8}});

  const auto epochs = store.epochs(id);
  ASSERT_EQ(epochs.size(), 3u);
  EXPECT_EQ(epochs[1].stage, "warm");
  EXPECT_EQ(epochs[1].epoch, 1);
  EXPECT_EQ(epochs[1].train_loss, 1.5);
  EXPECT_EQ(epochs[1].train_top1, 0.4);
  EXPECT_EQ(epochs[1].validation_loss, 1.25);
  EXPECT_EQ(epochs[1].validation_top1, 0.5);
  EXPECT_EQ(epochs[1].learning_rate, 0.05);
  EXPECT_EQ(epochs[1].seconds, 8);
  EXPECT_EQ(epochs[2].stage, "fine");
}

TEST_F(StoreTest, LossThatIsNotANumberReadsBackAsOne) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;

  store.add_epochs(id, {{"train", 0, std::nan(""), 0, INFINITY, 0, 0, 0}});

  EXPECT_TRUE(std::isnan(store.epochs(id)[0].train_loss));
  EXPECT_TRUE(std::isinf(store.epochs(id)[0].validation_loss));
}

TEST_F(StoreTest, RepetitionsCountWithinOneIdentity) {
  Store store(path());

  const RunRecord first = store.begin(some_run("a")), other = store.begin(some_run("b")),
                  second = store.begin(some_run("a"));

  EXPECT_EQ(first.repetition, 0);
  EXPECT_EQ(other.repetition, 0);
  EXPECT_EQ(second.repetition, 1);
  EXPECT_THAT(ids(store.repetitions("a")), ElementsAre(first.id, second.id));
}

TEST_F(StoreTest, RunsAreNewestFirstAndFiltered) {
  Store store(path());
  RunRecord other = some_run("other");
  other.method = "fp32";
  other.model = "lenet5";
  other.dataset = "mnist";
  const int64_t a = store.begin(some_run()).id, b = store.begin(other).id,
                c = store.begin(some_run()).id;
  store.end(a, RunStatus::Failed, "No.");

  EXPECT_THAT(ids(store.runs()), ElementsAre(c, b, a));
  EXPECT_THAT(ids(store.runs({"uniform", "", "", "", 0})), ElementsAre(c, a));
  EXPECT_THAT(ids(store.runs({"", "lenet5", "", "", 0})), ElementsAre(b));
  EXPECT_THAT(ids(store.runs({"", "", "cifar10", "running", 0})), ElementsAre(c));
  EXPECT_THAT(ids(store.runs({"", "", "", "", 2})), ElementsAre(c, b));
}

TEST_F(StoreTest, InterruptedRunEndsIsReopenedAndFinished) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;
  store.add_epochs(id, {{"train", 0, 1, 0, 0, 0, 0, 0}});

  store.end(id, RunStatus::Interrupted, "Ctrl-C.");
  EXPECT_EQ(store.run(id).status, RunStatus::Interrupted);
  EXPECT_EQ(store.run(id).reason, "Ctrl-C.");
  store.reopen(id);
  EXPECT_EQ(store.run(id).status, RunStatus::Running);
  EXPECT_EQ(store.run(id).reason, "");
  EXPECT_EQ(store.run(id).finished, "");
  store.finish(id, RunStatus::Ok, "", {}, {}, {}, {}, {});

  EXPECT_EQ(store.run(id).status, RunStatus::Ok);
  EXPECT_EQ(store.epochs(id).size(), 1u);
}

TEST_F(StoreTest, OutcomeIsNeverOverwritten) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;
  store.finish(id, RunStatus::Ok, "", {}, {}, {}, {}, {});

  EXPECT_THROW(store.finish(id, RunStatus::Failed, "", {}, {}, {}, {}, {}), Error);
  EXPECT_THROW(store.end(id, RunStatus::Interrupted, ""), Error);
  EXPECT_THAT(sentence_of([&] { store.reopen(id); }), HasSubstr("nothing to resume"));
  EXPECT_EQ(store.run(id).status, RunStatus::Ok);
}

TEST_F(StoreTest, UnknownRunIsNamed) {
  Store store(path());

  EXPECT_THAT(sentence_of([&] { store.run(17); }), HasSubstr("no run 17"));
  EXPECT_THAT(sentence_of([&] { store.result(17); }), HasSubstr("no run 17"));
  EXPECT_THAT(sentence_of([&] { store.add_epochs(17, {}); }), HasSubstr("no run 17"));
  EXPECT_THAT(sentence_of([&] { store.runs({"", "", "", "done", 0}); }), HasSubstr("interrupted"));
}

TEST_F(StoreTest, HostileStringsStayData) {
  const std::vector<std::string> hostile = {
      "Robert'); DROP TABLE runs;--", "\"quotes\" `and` [brackets] %s {} ?1 :name",
      std::string(10000, 'x'),        "\xF0\x9F\x98\x80 \xE2\x80\xAE reversed \xCC\x81",
      "line\nbreak\ttab\x01",         "not UTF-8: \xFF\xC0"};
  Store store(path());

  for (const std::string& text : hostile) {
    RunRecord run = some_run(text);
    run.method = run.model = run.recipe = run.folder = text;
    run.provenance.cpu = text;
    const int64_t id = store.begin(run).id;
    store.finish(id, RunStatus::Ok, text, {}, {{text, text, 8, 1, 1, 1, text}}, {}, {},
                 {{text, text}});

    const RunRecord got = store.runs({text, text, "", "", 0}).at(0);
    EXPECT_EQ(got.identity, text);
    EXPECT_EQ(got.recipe, text);
    EXPECT_EQ(got.reason, text);
    EXPECT_EQ(got.provenance.cpu, text);
    EXPECT_EQ(store.sites(id)[0].name, text);
    EXPECT_EQ(store.artefacts(id).at(text), text);
  }
}

TEST_F(StoreTest, EqualRecipesAndProvenancesAreStoredOnce) {
  Store store(path());
  for (int i = 0; i < 5; ++i) store.begin(some_run(std::to_string(i)));

  const Connection database(path(), Connection::Access::Read);

  EXPECT_EQ(database.integer("SELECT count(*) FROM recipes"), 1);
  EXPECT_EQ(database.integer("SELECT count(*) FROM provenances"), 1);
}

TEST_F(StoreTest, DeletedRunTakesItsRowsAlong) {
  Store store(path());
  const int64_t id = store.begin(some_run()).id;
  store.add_epochs(id, {{"train", 0, 1, 0, 0, 0, 0, 0}});
  store.finish(id, RunStatus::Ok, "", {}, {}, {}, {{"simulated", {0}, {1}, {1}}}, {});

  const Connection database(path(), Connection::Access::Write);
  database.execute("DELETE FROM runs");

  EXPECT_EQ(database.integer("SELECT (SELECT count(*) FROM results) + (SELECT count(*) FROM epochs)"
                             " + (SELECT count(*) FROM predictions)"),
            0);
}

}  // namespace
}  // namespace quantbench
