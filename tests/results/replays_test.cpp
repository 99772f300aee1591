// A store's runs against the reference: exact, within noise, different.
#include "results/replays.h"

#include <gmock/gmock.h>

#include "results/sqlite.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using Kind = Replay::Kind;

class Replays : public StoreTest {
 protected:
  static SomeRun some(uint64_t seed, double top1, const std::string& settings = "") {
    SomeRun run;
    run.seed = seed;
    run.top1 = top1;
    if (!settings.empty()) run.settings = settings;
    return run;
  }
  // The run's hashes become those of other bits.
  static void change_bits(Store& store, int64_t run) {
    store.connection().execute("UPDATE results SET weights_hash = 'ab' WHERE run = " +
                               std::to_string(run));
  }
};

TEST_F(Replays, EqualHashesAreExactWhateverElseIs) {
  Store reference(path("reference.db")), store(path());
  add_run(reference, some(1, 0.9));
  add_run(store, some(1, 0.9));
  add_run(store, some(2, 0.9));

  const auto found = replays(store, reference);

  ASSERT_EQ(found.size(), 1u) << "the reference has no seed 2";
  EXPECT_EQ(found[0].kind, Kind::Exact);
  EXPECT_FALSE(any_different(found));
}

TEST_F(Replays, OtherBitsAreWithinNoiseWhereTheTestSamplesOrAnotherSeedExplainThem) {
  Store reference(path("reference.db")), store(path());
  // Of 100 samples: two standard errors at 0.90 are 0.085.
  add_run(reference, some(1, 0.9));
  change_bits(store, add_run(store, some(1, 0.85)));
  // Seeds that are far apart: one more may be as far, though 0.5 and 0.9 are 0.4 apart.
  const std::string wide = "uniform.weight_bits = 2\n";
  for (uint64_t seed = 1; seed <= 4; ++seed)
    add_run(reference, some(seed, seed % 2 ? 0.5 : 0.9, wide));
  change_bits(store, add_run(store, some(1, 0.9, wide)));

  const auto found = replays(store, reference);

  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].kind, Kind::WithinNoise);
  EXPECT_EQ(found[1].kind, Kind::WithinNoise);
}

TEST_F(Replays, FarAccuraciesAndRunsThatFailedAreDifferent) {
  Store reference(path("reference.db")), store(path());
  for (uint64_t seed : {1, 2, 3}) add_run(reference, some(seed, 0.9));
  change_bits(store, add_run(store, some(1, 0.7)));
  const RunRecord failed = begin_run(store, some(2, 0));
  store.end(failed.id, RunStatus::Failed, "It fell over.");
  add_run(store, some(3, 0.9));

  const auto found = replays(store, reference);

  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].kind, Kind::Different);
  EXPECT_EQ(found[1].kind, Kind::Different);
  EXPECT_EQ(found[2].kind, Kind::Exact);
  EXPECT_TRUE(any_different(found));
  const std::string text = render_replays(found, "markdown", 100);
  EXPECT_THAT(text, HasSubstr("1 exact, 2 different."));
  EXPECT_THAT(text, HasSubstr("different (failed)"));
}

TEST_F(Replays, OnlyTheNewestRunOfTheSameDataAndVersionCounts) {
  Store reference(path("reference.db")), store(path());
  add_run(reference, some(1, 0.9));
  change_bits(store, add_run(store, some(1, 0.2)));
  add_run(store, some(1, 0.9));
  SomeRun other = some(1, 0.1);
  other.method_version = 2;
  add_run(store, other);
  other = some(1, 0.1);
  other.data = "beef";
  add_run(store, other);

  const auto found = replays(store, reference);

  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].run, 2);
  EXPECT_EQ(found[0].kind, Kind::Exact);
}

TEST_F(Replays, TheReferencesOwnRunsAreNoReplays) {
  Store store(path());
  add_run(store, some(1, 0.9));

  EXPECT_TRUE(replays(store, store).empty());
  EXPECT_THAT(render_replays({}, "text", 100), HasSubstr("no run in common"));
}

}  // namespace
}  // namespace quantbench
