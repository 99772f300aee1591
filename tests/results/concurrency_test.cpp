#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <thread>

#include "results/sqlite.h"
#include "tests/results/support.h"

namespace quantbench {
namespace {

constexpr int kProcesses = 64;
constexpr int kRunsEach = 2;

void complete_run(Store& store, const std::string& identity, int marker) {
  const int64_t id = store.begin(some_run(identity)).id;
  for (int epoch = 0; epoch < 3; ++epoch) {
    store.add_epochs(id, {{"train", epoch, 1.0 / (epoch + 1), 0, 0, 0, 0, 0}});
  }
  RunResult result;
  result.size_bytes = marker;
  store.finish(id, RunStatus::Ok, "", result, {{"conv1.weight", "weight", 8, 1, 1, 1, "uniform"}},
               {}, {{"simulated", {0, 1}, {marker, marker}, {0, 1}}},
               {{"marker", std::to_string(marker)}});
}

int64_t damage(const std::filesystem::path& path) {
  const Connection database(path, Connection::Access::Write);
  auto integrity = database.prepare("PRAGMA integrity_check");
  const bool whole = integrity.step() && integrity.text() == "ok";
  return (whole ? 0 : 1) + database.integer("SELECT count(*) FROM pragma_foreign_key_check");
}

template <typename Act>
void kill_after(std::chrono::milliseconds time, Act act) {
  const pid_t child = start_child([&] {
    act();
    return true;
  });
  std::this_thread::sleep_for(time);
  ::kill(child, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(wait_for(child)));
}

TEST_F(StoreTest, ManyProcessesWriteCompleteRunsIntoOneNewFile) {
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    children.push_back(start_child([&, child] {
      for (int i = 0; i < kRunsEach; ++i) {
        Store store(path());
        complete_run(store, "shared", child * kRunsEach + i);
      }
      return true;
    }));
  }
  for (pid_t child : children) EXPECT_EQ(wait_for(child), 0);

  Store store(path());
  std::set<int> repetitions;
  std::set<int64_t> markers;
  for (const RunRecord& run : store.runs({"", "", "", "ok", 0})) {
    const int64_t marker = store.result(run.id).size_bytes.value_or(-1);
    repetitions.insert(run.repetition);
    markers.insert(marker);
    EXPECT_EQ(store.epochs(run.id).size(), 3u);
    EXPECT_EQ(store.sites(run.id).size(), 1u);
    EXPECT_EQ(store.predictions(run.id).at(0).predicted.at(0), marker);
    EXPECT_EQ(store.artefacts(run.id).at("marker"), std::to_string(marker));
  }
  EXPECT_EQ(repetitions.size(), static_cast<size_t>(kProcesses * kRunsEach));
  EXPECT_EQ(*repetitions.rbegin(), kProcesses * kRunsEach - 1);
  EXPECT_EQ(markers.size(), static_cast<size_t>(kProcesses * kRunsEach));
  EXPECT_EQ(damage(path()), 0);
}

TEST_F(StoreTest, KilledWriterLeavesOnlyWholeStages) {
  const auto runs = [&] { return Store(path()).runs(); };

  for (int round = 0; round < 10 || runs().empty(); ++round) {
    kill_after(std::chrono::milliseconds(20 + 13 * round), [&] {
      Store store(path());
      for (int i = 0;; ++i) complete_run(store, "killed", i);
    });
  }

  EXPECT_EQ(damage(path()), 0);
  Store store(path());
  for (const RunRecord& run : runs()) {
    const bool done = run.status == RunStatus::Ok;
    EXPECT_TRUE(done || run.status == RunStatus::Running);
    EXPECT_EQ(store.sites(run.id).size(), done ? 1u : 0u);
    EXPECT_EQ(store.predictions(run.id).size(), done ? 1u : 0u);
    EXPECT_EQ(store.artefacts(run.id).size(), done ? 1u : 0u);
  }
}

// What a store does on a network file system, where there is no write-ahead log.
class RollbackJournal : public StoreTest {
 protected:
  RollbackJournal() {
    Connection database(path(), Connection::Access::Write);
    database.use_journal(Connection::Journal::Rollback);
    database.execute("CREATE TABLE numbers (value INTEGER UNIQUE)");
  }

  // Two rows, each one more than the largest before.
  void add_pair() const {
    Connection database(path(), Connection::Access::Write);
    database.use_journal(Connection::Journal::Rollback);
    Transaction transaction(database);
    for (int i = 0; i < 2; ++i) {
      database.insert("numbers", "value",
                      database.integer("SELECT coalesce(max(value) + 1, 0) FROM numbers"));
    }
    transaction.commit();
  }

  int64_t count() const {
    return Connection(path(), Connection::Access::Read).integer("SELECT count(*) FROM numbers");
  }
};

TEST_F(RollbackJournal, ManyProcessesLoseNothing) {
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    children.push_back(start_child([&] {
      for (int i = 0; i < kRunsEach; ++i) add_pair();
      return true;
    }));
  }
  for (pid_t child : children) EXPECT_EQ(wait_for(child), 0);

  EXPECT_EQ(count(), 2 * kProcesses * kRunsEach);
}

TEST_F(RollbackJournal, KilledWriterLeavesOnlyWholeTransactions) {
  for (int round = 0; round < 10 || count() == 0; ++round) {
    kill_after(std::chrono::milliseconds(20 + 13 * round), [&] {
      for (;;) add_pair();
    });
  }

  EXPECT_EQ(count() % 2, 0);
  EXPECT_EQ(damage(path()), 0);
}

}  // namespace
}  // namespace quantbench
