// The commands that report, as their users meet them, on stores made by hand.
#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

struct Answer {
  int code = 0;
  std::string out, err;
};

class Reports : public StoreTest {
 protected:
  Answer ask(const std::string& words, const std::string& before = "") const {
    const std::string out = path("out").string(), err = path("err").string();
    std::string line = before + QUANTBENCH_PROGRAM + " " + words + " --threads 1";
    if (words.find("--store") == std::string::npos) line += " --store " + path().string();
    const int status = std::system((line + " >" + out + " 2>" + err).c_str());
    return {WEXITSTATUS(status), read_file(out), read_file(err)};
  }

  // Two methods with `seeds` runs each.
  void fill(int seeds = 6) const {
    Store store(path());
    for (int seed = 1; seed <= seeds; ++seed) {
      SomeRun a, b;
      a.seed = b.seed = static_cast<uint64_t>(seed);
      b.method = "hawq";
      b.settings = "hawq.bits = 2\n";
      b.top1 = 0.93;
      add_run(store, a);
      add_run(store, b);
    }
  }
};

TEST_F(Reports, BadInputEndsInOneSentence) {
  fill(1);
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {"compare", "takes runs, methods or recipes"},
      {"compare 1 99", "no run 99"},
      {"compare uniform gcn", "gcn"},
      {"compare uniform hawq --model=vgg7", "no run of method uniform"},
      {"compare uniform hawq --alpha=2", "--alpha"},
      {"compare 1 2 --format=pdf", "--format"},
      {"merge", "takes the stores"},
      {"merge /no/such.db", "There is no shard"},
      {"export --format=xml", "mlflow"},
      {"export --format=mlflow", "--out"},
      {"export --out=/no/such/folder/runs.csv", "/no/such/folder"},
      {"history --format=csv", "markdown"},
      {"history --since=yesterday", "--since"},
      {"leaderboard", "--out"},
      {"leaderboard --out=x --model=lenet5", "filters of its own"},
      {"leaderboard --format=text --model=vgg7", "no finished run"},
      {"leaderboard --out=/proc/no/such", "/proc/no/such"},
      {"table no_such_paper", "known are: alq"},
      {"table hawq 77", "has no table '77'"},
      {"table hawq --format=pdf", "latex"},
  };
  for (const auto& [words, expected] : mistakes) {
    const Answer answer = ask(words);

    EXPECT_NE(answer.code, 0) << words;
    EXPECT_THAT(answer.err, HasSubstr(expected)) << words;
    EXPECT_LE(std::count(answer.err.begin(), answer.err.end(), '\n'), 1) << answer.err;
  }
}

TEST_F(Reports, CompareSaysBetterAndInJsonToo) {
  fill();

  const Answer text = ask("compare uniform hawq --explain"), table = ask("compare uniform hawq"),
               json = ask("compare 1 2 --format json");

  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("hawq is better than uniform: +3.00 points over 6 paired seeds"));
  EXPECT_THAT(table.out, HasSubstr("+3.00"));
  EXPECT_THAT(table.out, HasSubstr("better"));
  const Json task = Json::parse(json.out).at(0);
  EXPECT_EQ(task.at("pairs").at(0).at("verdict"), "too few seeds");
  EXPECT_EQ(task.at("pairs").at(0).at("seeds_needed"), 6);
}

TEST_F(Reports, TheBoardIsATableToo) {
  fill();
  {
    Store store(path());
    SomeRun trained;  // its activations differ: not like for like
    trained.method = "lsq";
    trained.activation_bits = 4;
    add_run(store, trained);
  }

  const Answer text = ask("leaderboard --format=text"),
               markdown = ask("leaderboard --format=markdown --method=hawq");

  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("lenet5 on mnist"));
  EXPECT_THAT(text.out, HasSubstr("B differs from A in activation bits (8.0 / 4.0)"));
  EXPECT_LT(text.out.find("hawq"), text.out.find("uniform")) << "the better one first";
  EXPECT_THAT(markdown.out, HasSubstr("| A | 1 | hawq |"));
  EXPECT_THAT(markdown.out, ::testing::Not(HasSubstr("uniform")));
}

TEST_F(Reports, TableNeedsNoStoreAndMakesNone) {
  const Answer list = ask("table --data /no/such/folder"),
               table = ask("table bsq --format json --data /no/such/folder");

  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("hawq_v2"));
  EXPECT_EQ(Json::parse(table.out).at(0).at("verdict"), "data not here");
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(Reports, RefusedShardLeavesNoStoreBehind) {
  fill(1);
  Connection(path(), Connection::Access::Write).execute("PRAGMA user_version = 99");
  const std::string other = path("other.db").string();

  const Answer answer = ask("merge " + path().string() + " --store " + other);

  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.err, HasSubstr("use a newer quantbench"));
  EXPECT_FALSE(std::filesystem::exists(other));
}

TEST_F(Reports, MergingTwiceChangesNothing) {
  fill(2);
  const std::string other = path("other.db").string();

  const Answer first = ask("merge " + path().string() + " --store " + other),
               again = ask("merge " + path().string() + " --store " + other);

  EXPECT_THAT(first.out + first.err, HasSubstr("4 run(s) added"));
  EXPECT_THAT(again.out + again.err, HasSubstr("0 run(s) added, 0 updated, 4 known"));
}

TEST_F(Reports, HistorySaysByItsExitCodeWhetherAnythingRegressed) {
  fill(1);
  EXPECT_EQ(ask("history").code, 0);
  SomeRun worse;
  worse.top1 = 0.4;
  {
    Store store(path());
    add_run(store, worse);
  }

  const Answer answer = ask("history --format markdown");

  EXPECT_EQ(answer.code, 3);
  EXPECT_THAT(answer.out, HasSubstr("## 1 regressed"));
}

}  // namespace
}  // namespace quantbench
