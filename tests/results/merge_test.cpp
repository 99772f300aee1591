#include "results/merge.h"

#include <gmock/gmock.h>

#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

class Merge : public StoreTest {
 protected:
  void fill_shard(int runs = 2) const {
    Store shard(path("shard.db"));
    for (int seed = 1; seed <= runs; ++seed) {
      SomeRun run;
      run.seed = static_cast<uint64_t>(seed);
      run.target = {0, 1};
      run.predicted = {0, 0};
      run.latency_ms = 1;
      add_run(shard, run);
    }
  }

  std::string dump(const Store& store) const {
    std::string out;
    for (const RunRecord& run : store.runs())
      out += std::to_string(run.id) + run.uid + run.identity + std::to_string(run.repetition) +
             name_of(run.status) + run.started + run.recipe + ";";
    return out;
  }
};

TEST_F(Merge, RunsArriveWithAllThatHangsOnThem) {
  fill_shard();
  Store into(path());
  add_run(into, {});

  const Merged merged = merge(into, path("shard.db"));

  EXPECT_EQ(merged.added, 2);
  EXPECT_EQ(into.runs().size(), 3u);
  EXPECT_EQ(into.run(2).repetition, 1);  // its identity was here
  EXPECT_EQ(into.run(2).provenance.cpu, "a CPU");
  EXPECT_EQ(into.run(3).seed, 2u);
  EXPECT_EQ(into.sites(3).size(), 3u);
  EXPECT_EQ(into.epochs(3).size(), 2u);
  EXPECT_EQ(into.latencies(3).size(), 1u);
  EXPECT_EQ(into.predictions(3).at(0).predicted, (std::vector<int32_t>{0, 0}));
  EXPECT_DOUBLE_EQ(*into.result(3).top1_shipped, 0.9);
  EXPECT_EQ(into.connection().integer("SELECT count(*) FROM configurations"), 1);
  EXPECT_EQ(into.connection().integer("SELECT count(*) FROM results WHERE contract IS NULL"), 0);
}

TEST_F(Merge, MergingAgainChangesNothing) {
  fill_shard();
  Store into(path());
  merge(into, path("shard.db"));
  const std::string before = dump(into);

  const Merged again = merge(into, path("shard.db"));

  EXPECT_EQ(again.added + again.updated, 0);
  EXPECT_EQ(again.known, 2);
  EXPECT_EQ(dump(into), before);
}

TEST_F(Merge, CopyOfAStoreBringsNothingNew) {
  fill_shard();
  std::filesystem::copy_file(path("shard.db"), path());
  Store into(path());

  EXPECT_EQ(merge(into, path("shard.db")).known, 2);
}

TEST_F(Merge, RunThatHasGoneOnIsUpdatedInItsPlace) {
  Store shard(path("shard.db"));
  const RunRecord run = begin_run(shard, {});
  shard.end(run.id, RunStatus::Interrupted, "Stopped.");
  Store into(path());
  SomeRun other;
  other.seed = 7;
  add_run(into, other);
  merge(into, path("shard.db"));
  shard.reopen(run.id);
  shard.finish(run.id, RunStatus::Ok, "", {}, {}, {}, {}, {});

  const Merged merged = merge(into, path("shard.db"));

  EXPECT_EQ(merged.updated, 1);
  EXPECT_EQ(into.run(2).status, RunStatus::Ok);
  EXPECT_EQ(into.runs().size(), 2u);
}

TEST_F(Merge, NewerShardIsRefusedWithASentenceAndNothingIsWritten) {
  fill_shard();
  Connection(path("shard.db"), Connection::Access::Write).execute("PRAGMA user_version = 99");
  Store into(path());

  const std::string sentence = sentence_of([&] { merge(into, path("shard.db")); });

  EXPECT_THAT(sentence, HasSubstr("has schema version 99"));
  EXPECT_THAT(sentence, HasSubstr("use a newer quantbench"));
  EXPECT_TRUE(into.runs().empty());
}

TEST_F(Merge, WhatIsNoShardIsRefused) {
  Store into(path());

  EXPECT_THAT(sentence_of([&] { merge(into, path("none.db")); }), HasSubstr("There is no shard"));
  EXPECT_THAT(sentence_of([&] { merge(into, path()); }), HasSubstr("is the store itself"));
}

TEST_F(Merge, DamagedShardLeavesTheStoreAsItWas) {
  fill_shard();
  Connection(path("shard.db"), Connection::Access::Write)
      .execute("PRAGMA foreign_keys = OFF; DROP TABLE predictions");
  Store into(path());

  EXPECT_NE(sentence_of([&] { merge(into, path("shard.db")); }), "");
  EXPECT_TRUE(into.runs().empty());
  EXPECT_EQ(into.connection().integer("SELECT count(*) FROM recipes"), 0);
}

}  // namespace
}  // namespace quantbench
