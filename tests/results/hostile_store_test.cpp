// Stores that somebody made to do harm: nothing in them is believed, run or followed.
#include <gmock/gmock.h>
#include <sqlite3.h>

#include "base/file.h"
#include "base/sha256.h"
#include "results/merge.h"
#include "results/schema.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

class HostileStore : public StoreTest {
 protected:
  HostileStore() {
    Store shard(path("shard.db"));
    SomeRun run;
    run.target = {0, 1};
    run.predicted = {0, 0};
    add_run(shard, run);
  }

  void change(const std::string& sql) const {
    Connection(path("shard.db"), Connection::Access::Write)
        .execute("PRAGMA foreign_keys = OFF; " + sql);
  }

  std::string merging() {
    return sentence_of([&] {
      Store into(path());
      merge(into, path("shard.db"));
    });
  }

  std::string opening(Store::Access access) const {
    return sentence_of([&] { Store store(path("shard.db"), access); });
  }

  int64_t runs_here() { return Store(path()).connection().integer("SELECT count(*) FROM runs"); }

  // Instead of the shard a store of version 1 with one run.
  void make_version1() const {
    std::filesystem::remove(path("shard.db"));
    Connection database(path("shard.db"), Connection::Access::Write);
    upgrade(database, {migrations().front()});
    database.execute(
        "INSERT INTO recipes VALUES (1, 'digest', 'method = uniform' || char(10)); "
        "INSERT INTO provenances VALUES (1, 'digest', 'abc', 0, 'GNU', '-O2', 'Release', '{}', "
        "'a CPU', '', 'AVX2', 'BLAS', 'Debian', 1, 'cpu'); "
        "INSERT INTO runs (identity, repetition, status, method, method_version, model, dataset, "
        "dataset_fingerprint, preprocessing, seed, recipe, provenance, started, folder) VALUES "
        "('identity', 0, 'failed', 'uniform', 1, 'lenet5', 'mnist', 'f00d', 'mean', 1, 1, 1, "
        "'2026-01-01T00:00:00Z', '1-uniform')");
  }
};

TEST_F(HostileStore, ForgedRecipeDoesNotPoisonTheHonestOne) {
  const std::string honest = begin_run(*std::make_unique<Store>(path("other.db")), {}).recipe;
  change("UPDATE recipes SET text = 'method = forged' || char(10) || 'model = resnet20'");
  ASSERT_EQ(merging(), "");

  Store into(path());
  const RunRecord run = into.run(begin_run(into, {}).id);

  EXPECT_EQ(run.recipe, honest);
  EXPECT_EQ(into.connection().integer("SELECT count(*) FROM recipes"), 2);
}

TEST_F(HostileStore, ForgedProvenanceDoesNotPoisonTheHonestOne) {
  change("UPDATE provenances SET cpu = 'a forged CPU'");
  ASSERT_EQ(merging(), "");

  Store into(path());

  EXPECT_EQ(into.run(begin_run(into, {}).id).provenance.cpu, "a CPU");
  EXPECT_EQ(into.run(1).provenance.cpu, "a forged CPU");
}

TEST_F(HostileStore, ForgedConfigurationsAndContractsAreDerivedAnew) {
  change("UPDATE configurations SET settings = 'forged'; UPDATE contracts SET baseline = 'forged'");
  ASSERT_EQ(merging(), "");

  const Store into(path());

  const auto count = [&](const std::string& what) { return into.connection().integer(what); };
  EXPECT_EQ(count("SELECT count(*) FROM configurations WHERE settings = 'forged'"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM contracts WHERE baseline = 'forged'"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM runs WHERE configuration IS NULL"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM results WHERE contract IS NULL"), 0);
}

TEST_F(HostileStore, ViewInPlaceOfATableIsRefused) {
  change(
      "DROP TABLE epochs; CREATE VIEW epochs AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT "
      "x + 1 FROM n) SELECT x AS id, 1 AS run, 'train' AS stage, x AS epoch, 0.0 AS train_loss, "
      "0.0 AS train_top1, 0.0 AS validation_loss, 0.0 AS validation_top1, 0.0 AS learning_rate, "
      "0.0 AS seconds FROM n");

  EXPECT_THAT(merging(), HasSubstr("holds the view epochs"));
  EXPECT_THAT(opening(Store::Access::Read), HasSubstr("holds the view epochs"));
  EXPECT_THAT(opening(Store::Access::Write), HasSubstr("holds the view epochs"));
  EXPECT_EQ(runs_here(), 0);
}

TEST_F(HostileStore, TriggerIsRefusedBeforeAMigrationCouldFireIt) {
  make_version1();
  change("CREATE TRIGGER t AFTER UPDATE ON runs BEGIN INSERT INTO runs SELECT * FROM runs; END");
  const std::string before = sha256_file(path("shard.db"));

  EXPECT_THAT(merging(), HasSubstr("holds the trigger t"));
  EXPECT_THAT(opening(Store::Access::Read), HasSubstr("holds the trigger t"));
  EXPECT_THAT(opening(Store::Access::Write), HasSubstr("holds the trigger t"));
  EXPECT_EQ(sha256_file(path("shard.db")), before);
}

TEST_F(HostileStore, GeneratedColumnIsRefused) {
  change("ALTER TABLE epochs ADD COLUMN big TEXT AS (hex(zeroblob(100000000)))");

  EXPECT_THAT(opening(Store::Access::Read), HasSubstr("computes its column big"));
}

TEST_F(HostileStore, OlderStoreIsReadThroughACopyAndStaysAsItWas) {
  make_version1();
  const std::string before = sha256_file(path("shard.db"));

  EXPECT_EQ(Store(path("shard.db"), Store::Access::Read).run(1).uid.size(), 32u);
  ASSERT_EQ(merging(), "");

  EXPECT_EQ(runs_here(), 1);
  EXPECT_EQ(sha256_file(path("shard.db")), before);
}

TEST_F(HostileStore, OlderStoreMergedTwiceIsKnown) {
  make_version1();
  Store into(path());
  merge(into, path("shard.db"));

  EXPECT_EQ(merge(into, path("shard.db")).known, 1);
}

TEST_F(HostileStore, ReaderCannotWrite) {
  const Store store(path("shard.db"), Store::Access::Read);

  EXPECT_THAT(sentence_of([&] { store.connection().execute("DELETE FROM runs"); }),
              HasSubstr("read-only"));
}

TEST_F(HostileStore, RunWithoutAUidIsRefused) {
  change("UPDATE runs SET uid = NULL");

  EXPECT_THAT(merging(), HasSubstr("Run 1 of"));
  EXPECT_THAT(merging(), HasSubstr("no sound uid"));
  EXPECT_EQ(runs_here(), 0);
}

TEST_F(HostileStore, UidThatIsAPathIsRefused) {
  change("UPDATE runs SET uid = '../../../../../../../../tmp/xxx'");

  EXPECT_THAT(merging(), HasSubstr("no sound uid"));
}

TEST_F(HostileStore, NamesThatArePathsAreRefused) {
  change("UPDATE runs SET method = 'x/../../../escaped'");
  EXPECT_THAT(merging(), HasSubstr("'x/../../../escaped'"));

  change("UPDATE runs SET method = 'uniform', dataset = '..'");
  EXPECT_THAT(merging(), HasSubstr("'..'"));
  EXPECT_EQ(runs_here(), 0);
}

TEST_F(HostileStore, RowsAreCappedBeforeTheyAreCopied) {
  Store into(path());
  MergeLimits limits;
  limits.rows = 3;

  EXPECT_THAT(sentence_of([&] { merge(into, path("shard.db"), limits); }),
              HasSubstr("rows; at most 3 are taken"));
  EXPECT_EQ(runs_here(), 0);
}

TEST_F(HostileStore, BytesAreCapped) {
  Store into(path());
  MergeLimits limits;
  limits.bytes = 10000;

  EXPECT_THAT(sentence_of([&] { merge(into, path("shard.db"), limits); }),
              HasSubstr("bytes; at most 10000 are taken"));
}

TEST_F(HostileStore, OneHugeValueIsCapped) {
  // A connection of ours does not let such a value be written.
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(path("shard.db").c_str(), &raw), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(raw, "UPDATE runs SET reason = hex(zeroblob(40000000))", nullptr, nullptr,
                         nullptr),
            SQLITE_OK);
  sqlite3_close(raw);

  EXPECT_THAT(merging(), HasSubstr("a text or blob that is longer than"));
}

// Two children of one page that are the same page: a tree of depth d has 2^d leaves.
TEST_F(HostileStore, DamagedTreesAreRefused) {
  change("CREATE TABLE padding (x); INSERT INTO padding VALUES (hex(zeroblob(20000)))");
  std::string bytes = read_file(path("shard.db"));
  for (size_t at = bytes.size() - 3 * 4096; at < bytes.size() - 4096; ++at) bytes[at] = '\x5a';
  write_atomically(path("shard.db"), bytes);

  EXPECT_THAT(merging(), HasSubstr("is damaged"));
}

class StaleCopy : public StoreTest {
 protected:
  StaleCopy() : run_(begin_run(store_, {})) {}

  void back_up() { store_.connection().execute("VACUUM INTO '" + path("copy.db").string() + "'"); }
  void finish() { store_.finish(run_.id, RunStatus::Ok, "", {}, {}, {}, {}, {}); }

  Store store_{path()};
  RunRecord run_;
};

TEST_F(StaleCopy, DoesNotEndARunThatWasResumed) {
  store_.end(run_.id, RunStatus::Interrupted, "Stopped.");
  back_up();
  store_.reopen(run_.id);

  EXPECT_EQ(merge(store_, path("copy.db")).known, 1);
  finish();

  EXPECT_EQ(store_.run(run_.id).status, RunStatus::Ok);
}

TEST_F(StaleCopy, DoesNotTakeAResultBack) {
  store_.end(run_.id, RunStatus::Failed, "Stopped.");
  back_up();
  store_.reopen(run_.id);
  finish();

  EXPECT_EQ(merge(store_, path("copy.db")).known, 1);
  EXPECT_EQ(store_.run(run_.id).status, RunStatus::Ok);
}

TEST_F(StaleCopy, DoesNotTakeEpochsBack) {
  store_.add_epochs(run_.id, {{"train", 0, 1, 0, 1, 0, 0, 0}});
  store_.end(run_.id, RunStatus::Interrupted, "Stopped.");
  back_up();
  store_.reopen(run_.id);
  store_.add_epochs(run_.id, {{"train", 1, 1, 0, 1, 0, 0, 0}});
  store_.end(run_.id, RunStatus::Interrupted, "Stopped again.");
  // A clock that was set back makes the copy look newer.
  Connection(path("copy.db"), Connection::Access::Write)
      .execute("UPDATE runs SET finished = '2099-01-01T00:00:00Z'");

  EXPECT_EQ(merge(store_, path("copy.db")).known, 1);
  EXPECT_EQ(store_.epochs(run_.id).size(), 2u);
}

}  // namespace
}  // namespace quantbench
