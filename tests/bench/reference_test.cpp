// The reference as users meet it: beside a store and apart from it, and what the repository holds.
#include "results/reference.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "bench/recipe.h"
#include "results/contract.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

struct Answer {
  int code = 0;
  std::string out, err;
};

class ReferenceCommands : public StoreTest {
 protected:
  Answer ask(const std::string& words) const {
    const std::string out = path("out").string(), err = path("err").string();
    std::string line = QUANTBENCH_PROGRAM " " + words + " --threads 1";
    if (words.find("--store") == std::string::npos) line += " --store " + path().string();
    const int status = std::system((line + " >" + out + " 2>" + err).c_str());
    return {WEXITSTATUS(status), read_file(out), read_file(err)};
  }
  std::string reference() const { return path("reference").string(); }

  // Two methods: one seed in the store at 0.9, three others in the reference at 0.8.
  void fill() const {
    Store store(path()), other(path("other.db"));
    for (const char* method : {"uniform", "wide"}) {
      SomeRun run;
      run.method = method;
      run.settings = std::string(method) + ".bits = 4\n";
      run.data = sha256("data");
      add_run(store, run);
      run.top1 = 0.8;
      for (run.seed = 2; run.seed <= 4; ++run.seed) add_run(other, run);
    }
    export_reference(other, {}, reference());
  }
};

TEST_F(ReferenceCommands, IsNeverMixedIntoLocalRuns) {
  fill();
  for (const std::string& words :
       {std::string("compare uniform wide"), std::string("leaderboard --format=text")}) {
    const std::string with = ask(words + " --reference " + reference()).out;
    const std::string without = ask(words + " --reference no").out;

    ASSERT_EQ(with.rfind(without, 0), 0u) << with << without;
    EXPECT_THAT(without, HasSubstr("90.00"));
    EXPECT_THAT(without, Not(HasSubstr("80.00")));
    const std::string apart = with.substr(without.size());
    EXPECT_THAT(apart, HasSubstr("Reference runs"));
    EXPECT_THAT(apart, HasSubstr("80.00"));
    EXPECT_THAT(apart, Not(HasSubstr("90.00")));
  }
  const Json board =
      Json::parse(ask("compare uniform wide --format json --reference " + reference()).out);
  EXPECT_EQ(board.dump().find("0.8"), std::string::npos) << "programs get one store";
}

TEST_F(ReferenceCommands, IsAStoreOfItsOwn) {
  fill();

  const Json runs = Json::parse(ask("runs --format json --limit 9 --store " + reference()).out);
  EXPECT_EQ(runs.size(), 6u);
  EXPECT_NE(ask("rm 1 --store " + reference()).code, 0);
}

TEST_F(ReferenceCommands, IsWrittenByExport) {
  fill();

  const Answer answer = ask("export --format reference --out " + path("made").string());

  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(read_reference(path("made")).runs().size(), 2u);
  EXPECT_THAT(ask("export --format reference").err, HasSubstr("--out"));
}

TEST_F(ReferenceCommands, SaysWhichRunsCameOutAgain) {
  fill();
  EXPECT_THAT(ask("compare reference --reference " + reference()).out,
              HasSubstr("no run in common"));
  {
    Store store(path());
    SomeRun run;
    run.data = sha256("data");
    run.settings = "uniform.bits = 4\n";
    run.top1 = 0.8;
    run.seed = 2;
    add_run(store, run);
  }

  Answer answer = ask("compare reference --reference " + reference());
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(answer.out, HasSubstr("1 exact."));
  Store(path()).connection().execute(
      "UPDATE results SET weights_hash = 'ab', top1_shipped = 0.1 WHERE run = 3");
  answer = ask("compare reference --format markdown --reference " + reference());
  EXPECT_EQ(answer.code, 3) << answer.out;
  EXPECT_THAT(answer.out, HasSubstr("1 different."));
}

TEST_F(ReferenceCommands, FoldersThatAreNoneAreRefused) {
  fill();
  write_atomically(path("reference") / "x.json", "{}");
  for (const std::string& words : {std::string("compare uniform wide"), std::string("table hawq"),
                                   std::string("leaderboard --format=text")}) {
    const Answer answer = ask(words + " --reference " + reference());
    EXPECT_NE(answer.code, 0) << words;
    EXPECT_THAT(answer.err, HasSubstr("x.json has no 'reference'")) << words;
  }
}

// Every file of the repository replays in form: it is read, and its recipe is one that this program
// takes, to the letter.
TEST(ReferenceOfTheRepository, EveryRecipeResolves) {
  const Store store = read_reference(QUANTBENCH_SOURCE_DIR "/results/reference");
  for (const RunRecord& run : store.runs()) {
    RecipeText text;
    for (const auto& [key, value] : recipe_lines(run.recipe)) text[key] = {value};

    const std::vector<Recipe> recipes = expand(text);

    ASSERT_EQ(recipes.size(), 1u) << run.name;
    EXPECT_EQ(recipes[0].canonical(), run.recipe) << run.name;
    EXPECT_FALSE(run.provenance.source_revision.empty());
    EXPECT_FALSE(run.provenance.source_dirty) << run.name << ": its source is in no revision";
  }
}

// results/REPRODUCED.md is what its script makes of the files: no figure of it was typed.
TEST_F(ReferenceCommands, ThePageOfWhatWasReproducedIsUpToDate) {
  const std::string made = path("REPRODUCED.md").string();
  const int status = std::system((QUANTBENCH_SOURCE_DIR
                                  "/scripts/reproduced.py --program " QUANTBENCH_PROGRAM " --out " +
                                  made)
                                     .c_str());

  ASSERT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_file(made), read_file(QUANTBENCH_SOURCE_DIR "/results/REPRODUCED.md"));
}

}  // namespace
}  // namespace quantbench
