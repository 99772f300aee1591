// A terminal that has gone, is full or full of somebody's escape sequences; signals.
#include <gtest/gtest.h>
#include <signal.h>

#include "results/sqlite.h"
#include "results/store.h"
#include "tests/bench/program.h"

namespace quantbench {
namespace {

class Streams : public Program {
 protected:
  int ask_with(const std::string& words, const std::string& redirections) const {
    std::string line = command(words) + redirections;
    // --quiet would hide what there is to lose.
    line.erase(line.find(" --quiet"), std::string(" --quiet").size());
    const int status = std::system(line.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
};

TEST_F(Streams, ARunOutlivesThem) {
  int64_t run = 0;
  for (const char* gone : {" >&- 2>&-", " >/dev/full 2>/dev/full", " 2>&- >/dev/null", " | true"}) {
    EXPECT_EQ(ask_with(small(), gone), 0) << gone;
    EXPECT_EQ(show(++run).at("status"), "ok") << gone;
  }
}

TEST_F(Streams, AnAnswerThatIsLostIsAFailure) {
  ASSERT_EQ(ask(small()).code, 0);

  for (const char* words :
       {"runs", "show 1", "runs --format json", "list methods", "export", "--help", "--version"}) {
    EXPECT_NE(ask_with(words, " >/dev/full 2>/dev/null"), 0) << words;
    EXPECT_NE(ask_with(words, " >&- 2>/dev/null"), 0) << words;
    EXPECT_EQ(ask_with(words, " >/dev/null 2>&-"), 0) << words;
  }
}

TEST_F(Streams, TextOfAStoreDoesNotSteerATerminalNorTakeAListingDown) {
  ASSERT_EQ(ask(small()).code, 0);
  Connection(folder_ / "q.db", Connection::Access::Write)
      .execute(
          "UPDATE runs SET reason = char(27) || '[2J' || CAST(x'ff' AS TEXT), name = 'a' || "
          "char(10) || 'b'");

  for (const char* words : {"runs", "show 1", "runs --format json", "show 1 --format json",
                            "export", "export --format json", "history --format markdown"}) {
    const Answer answer = ask(words);
    EXPECT_EQ(answer.code, 0) << words << ": " << answer.err;
    EXPECT_EQ(answer.out.find('\x1b'), std::string::npos) << words;
  }
}

TEST_F(Streams, EverySignalThatAsksForAnEndSaves) {
  for (int signal : {SIGTERM, SIGHUP, SIGUSR1}) {
    SetUp();
    const pid_t child = start(small({{"fp32.epochs", "60"}}, "--checkpoint-seconds=0"));
    wait_for_a_checkpoint();
    ::kill(child, signal);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << signal;
    EXPECT_EQ(show(1).at("status"), "interrupted") << signal;
    TearDown();
  }
}

}  // namespace
}  // namespace quantbench
