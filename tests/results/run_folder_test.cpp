#include "results/run_folder.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/results/board.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using RunFolder = StoreTest;

TEST_F(RunFolder, StoresInOneFolderNeverShareARunsFolder) {
  Store a(path("a.db")), b(path("b.db"));

  const RunRecord left = begin_run(a, {}), right = begin_run(b, {});

  EXPECT_EQ(left.id, right.id);
  EXPECT_NE(run_folder(path("a.db"), left), run_folder(path("b.db"), right));
  EXPECT_EQ(run_folder(path("a.db"), left), path(left.uid));
}

TEST_F(RunFolder, AnOlderStoresFolderIsFoundByItsRecipe) {
  Store store(path());
  const RunRecord run = begin_run(store, {});
  const fs::path older = path("1-uniform-lenet5-mnist-s1");
  fs::create_directories(older);
  std::ofstream(older / "recipe.ini") << run.recipe;
  RunRecord stranger = run;
  stranger.recipe += "batch = 7\n";

  EXPECT_EQ(run_folder(path(), run), older);
  EXPECT_EQ(run_folder(path(), stranger), path(run.uid));
}

TEST_F(RunFolder, TextOfAStoreNeverBecomesAPath) {
  RunRecord run = some_run();
  run.method = run.folder = "../../elsewhere";
  for (const char* uid : {"", "../../elsewhere", "0123456789abcdef0123456789abcde/",
                          "0123456789ABCDEF0123456789ABCDEF"}) {
    run.uid = uid;
    EXPECT_THAT(sentence_of([&] { run_folder(path(), run); }), HasSubstr("no sound uid")) << uid;
  }
  run.uid = "0123456789abcdef0123456789abcdef";

  EXPECT_EQ(run_folder(path(), run), path("0123456789abcdef0123456789abcdef"));
}

}  // namespace
}  // namespace quantbench
