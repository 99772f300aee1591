// The program killed at every so-manyth call that changes a file: the store stays whole, and the
// same command given again ends as if nothing had been.
#include <gtest/gtest.h>

#include <csignal>

#include "results/sqlite.h"
#include "results/store.h"
#include "tests/bench/program.h"

namespace quantbench {
namespace {

class Crash : public Program {
 protected:
  // The exit code of the program; 128 + the signal where one ended it.
  int ask_under(const std::string& environment, const std::string& words) const {
    const std::string line = "env LD_PRELOAD=" CRASH_POINTS " " + environment + " " +
                             command(words) + " >" + (folder_ / "out").string() + " 2>&1";
    const int status = std::system(line.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  int calls_of(const std::string& words) const {
    const fs::path path = folder_ / "count";
    EXPECT_EQ(ask_under("QUANTBENCH_CRASH_COUNT=" + path.string(), words), 0);
    return std::stoi(read_file(path));
  }

  bool was_killed_at(int call, const std::string& words) const {
    return ask_under("QUANTBENCH_CRASH_AT=" + std::to_string(call), words) == 128 + SIGKILL;
  }

  void expect_whole(const std::string& name = "q.db") const {
    if (!fs::exists(folder_ / name) || fs::file_size(folder_ / name) == 0) return;
    const Connection database(folder_ / name, Connection::Access::Write);
    Statement check = database.prepare("PRAGMA integrity_check");
    ASSERT_TRUE(check.step());
    EXPECT_EQ(check.text(), "ok");
    EXPECT_EQ(database.integer("SELECT count(*) FROM pragma_foreign_key_check"), 0);
  }

  void start_anew() const {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }

  std::vector<std::string> names(const fs::path& folder) const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder))
      out.push_back(entry.path().filename().string());
    return out;
  }
};

constexpr int kPoints = 16;

TEST_F(Crash, ARunGoesOnAndEndsWithTheSameBits) {
  const std::string words = small({}, "--checkpoint-seconds=0");
  const int calls = calls_of(words);
  const Json whole = show(1);
  ASSERT_GT(calls, 20);

  for (int point = 1; point < kPoints; ++point) {
    SCOPED_TRACE(point);
    start_anew();
    ASSERT_TRUE(was_killed_at(1 + calls * point / kPoints, words));
    expect_whole();
    std::string status = "absent";
    if (const Answer listed = ask("runs --format json"); listed.code == 0) {
      if (const Json runs = Json::parse(listed.out); !runs.empty()) status = runs[0].at("status");
    }
    if (status == "running") {
      EXPECT_EQ(ask("resume 1").code, 0);
    }
    if (status == "absent") {
      EXPECT_EQ(ask(words).code, 0);
    }
    const Json now = show(1);
    for (const char* key : {"status", "weights_hash", "package_hash", "predictions_hash"})
      EXPECT_EQ(now.at(key), whole.at(key)) << key;
  }
}

TEST_F(Crash, AMergeBringsAllOrNothing) {
  ASSERT_EQ(ask(small()).code, 0);
  fs::rename(folder_ / "q.db", folder_ / "shard.db");
  const std::string words = "merge " + (folder_ / "shard.db").string();
  const int calls = calls_of(words);

  for (int point = 1; point < kPoints; ++point) {
    SCOPED_TRACE(point);
    for (const char* end : {"", "-wal", "-shm"}) fs::remove((folder_ / "q.db").string() + end);
    ASSERT_TRUE(was_killed_at(1 + calls * point / kPoints, words));
    expect_whole();
    expect_whole("shard.db");
    EXPECT_EQ(ask(words).code, 0);
    const Store store(folder_ / "q.db", Store::Access::Read);
    EXPECT_EQ(store.runs().size(), 1u);
    EXPECT_EQ(store.predictions(1).size(), 2u);
  }
}

TEST_F(Crash, AnExportIsWholeOrAbsent) {
  ASSERT_EQ(ask(small()).code, 0);
  const fs::path folder = folder_ / "exported";
  fs::create_directories(folder);
  const std::string words = "export --format json --out " + (folder / "runs.json").string();
  const int calls = calls_of(words);
  const std::string whole = read_file(folder / "runs.json");
  fs::remove(folder / "runs.json");

  for (int call = 1; call <= calls; ++call) {
    SCOPED_TRACE(call);
    if (!was_killed_at(call, words)) continue;  // the calls of the store's helper files vary
    if (fs::exists(folder / "runs.json")) {
      EXPECT_EQ(read_file(folder / "runs.json"), whole);
    }
    EXPECT_EQ(ask(words).code, 0);
    EXPECT_EQ(names(folder), std::vector<std::string>{"runs.json"});
    fs::remove(folder / "runs.json");
  }
}

TEST_F(Crash, ALeaderboardIsWholeOrAbsent) {
  ASSERT_EQ(ask(small()).code, 0);
  const fs::path folder = folder_ / "page";
  const std::string words = "leaderboard --reference=no --out " + folder.string();
  if (ask(words).code != 0) GTEST_SKIP() << "quantbench was built without the page.";
  const int calls = calls_of(words);
  const auto is_whole = [&] {
    const std::string page = read_file(folder / "index.html");
    return page.find("</html>") != std::string::npos;
  };

  for (int call = 1; call <= calls; ++call) {
    SCOPED_TRACE(call);
    fs::remove(folder / "index.html");
    if (!was_killed_at(call, words)) continue;
    if (fs::exists(folder / "index.html")) {
      EXPECT_TRUE(is_whole());
    }
    EXPECT_EQ(ask(words).code, 0);
    EXPECT_EQ(names(folder), std::vector<std::string>{"index.html"});
    EXPECT_TRUE(is_whole());
  }
}

}  // namespace
}  // namespace quantbench
