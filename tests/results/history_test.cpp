#include "results/history.h"

#include <gmock/gmock.h>

#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class History : public StoreTest {
 protected:
  History() : store_(path()) {}

  // A run of the night `day`.
  int64_t on(int day, const SomeRun& run) {
    const int64_t id = add_run(store_, run);
    store_.connection()
        .prepare("UPDATE runs SET started = ? WHERE id = ?")
        .bind(fmt::format("2026-01-{:02}T03:00:00Z", day), id)
        .run();
    return id;
  }

  std::vector<Change> found(const std::string& since = "") const {
    return changes(read_board(store_), since);
  }

  Store store_;
};

TEST_F(History, EqualRunsAreNoChange) {
  on(1, {});
  on(2, {});

  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(History, LowerAccuracyBeyondNoiseIsARegression) {
  SomeRun worse;
  worse.top1 = 0.7;
  on(1, {});
  const int64_t now = on(2, worse);

  const auto all = found();

  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].kind, Change::Kind::Regressed);
  EXPECT_EQ(all[0].run, now);
  EXPECT_THAT(all[0].sentence, HasSubstr("from 90.00 % to 70.00 %"));
  EXPECT_TRUE(any_regressed(all));
}

TEST_F(History, AccuracyWithinNoiseIsNone) {
  SomeRun little;
  little.top1 = 0.87;  // 100 samples: two standard errors are 9 points
  on(1, {});
  on(2, little);

  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(History, LargerAndSlowerAndDoubtfulAreRegressions) {
  SomeRun before, now;
  before.latency_ms = 1;
  now.latency_ms = 2;
  before.latency_shipped = now.latency_shipped = true;
  now.size_bytes = 1200;
  now.status = RunStatus::Mistrusted;
  on(1, before);
  on(2, now);

  EXPECT_EQ(found().size(), 3u);
  EXPECT_TRUE(any_regressed(found()));
}

TEST_F(History, ASimulatedLatencyIsNone) {
  SomeRun before, now;
  before.latency_ms = 1;
  now.latency_ms = 2;
  on(1, before);
  on(2, now);

  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(History, AnotherMachineOrDatasetIsNoRegression) {
  SomeRun before, machine, data;
  before.latency_ms = 1;
  machine.latency_ms = data.latency_ms = 2;
  before.latency_shipped = machine.latency_shipped = data.latency_shipped = true;
  machine.top1 = data.top1 = 0.5;
  machine.cpu = "another CPU";
  data.data = "beef";
  on(1, before);
  on(2, machine);
  on(3, data);

  const auto all = found();

  EXPECT_FALSE(any_regressed(all));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(all[1].sentence, HasSubstr("first run on this data and machine"));
}

TEST_F(History, BetterIsAnImprovementAndNoRegression) {
  SomeRun now;
  now.size_bytes = 500;
  on(1, {});
  on(2, now);

  ASSERT_EQ(found().size(), 1u);
  EXPECT_EQ(found()[0].kind, Change::Kind::Improved);
  EXPECT_FALSE(any_regressed(found()));
}

TEST_F(History, FailureIsComparedWithTheLastRunThatHadAResult) {
  SomeRun worse;
  worse.top1 = 0.5;
  on(1, {});
  const RunRecord failed = begin_run(store_, {});
  store_.end(failed.id, RunStatus::Failed, "The loss is NaN.");
  store_.connection().execute("UPDATE runs SET started = '2026-01-02T03:00:00Z' WHERE id = 2");
  EXPECT_THAT(found().at(0).sentence, HasSubstr("It was ok and is failed"));

  on(3, worse);

  EXPECT_THAT(found().at(0).sentence, HasSubstr("from 90.00 % to 50.00 %"));
}

TEST_F(History, OnlyWhatStartedSinceThenCounts) {
  SomeRun worse, other;
  worse.top1 = 0.5;
  other.seed = 2;
  on(1, {});
  on(2, worse);
  on(3, other);

  const auto all = found("2026-01-03");

  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].kind, Change::Kind::New);
  EXPECT_THAT(sentence_of([&] { found("yesterday"); }), HasSubstr("2026-01-31"));
}

TEST_F(History, MarkdownIsEscapedAndCounted) {
  SomeRun run;
  run.method = "<script>|";
  on(1, run);

  const std::string text = render_changes(found(), "markdown");

  EXPECT_THAT(text, HasSubstr("## 0 regressed"));
  EXPECT_THAT(text, HasSubstr("\\<script\\>\\|"));
  EXPECT_THAT(text, Not(HasSubstr("<script>")));
}

}  // namespace
}  // namespace quantbench
