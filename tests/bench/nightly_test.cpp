// scripts/nightly.sh: nights of small recipes.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "base/file.h"
#include "results/merge.h"
#include "results/reference.h"
#include "results/site/page.h"
#include "results/sqlite.h"
#include "tests/results/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Nightly : public StoreTest {
 protected:
  // A recipe of about a second.
  void write_recipe(const std::string& name, const std::string& more = "") const {
    std::ofstream(path(name)) << "method = uniform\nmodel = lenet5\ndataset = synthetic_images\n"
                                 "latency = no\nbatch = 20\n"
                              << more
                              << "[fp32]\nepochs = 1\n[train]\nepochs = 1\n"
                                 "[synthetic_images]\ntrain = 600\ntest = 100\nvalidation = 50\n"
                                 "size = 16\n";
  }

  int night(const std::string& date, const std::string& recipes, const std::string& shards = "",
            const std::string& options = "") const {
    std::ofstream(path("list")) << recipes;
    const std::string line = "OMP_NUM_THREADS=1 QUANTBENCH_NIGHT=" + date + " " +
                             QUANTBENCH_SOURCE_DIR "/scripts/nightly.sh --program " +
                             QUANTBENCH_PROGRAM " --work " + path("work").string() + " " + options +
                             " " + path("list").string() + " " + shards + " 2>" +
                             path("err").string();
    return WEXITSTATUS(std::system(line.c_str()));
  }

  std::string summary() const { return read_file(path("work") / "summary.md"); }
  Store store() const { return Store(path("work") / "quantbench.db"); }
};

TEST_F(Nightly, FailingRecipesDoNotStopTheOthers) {
  write_recipe("good.ini");
  std::ofstream(path("broken.ini")) << "no_such_key = 1\n";

  const int code =
      night("2026-01-01", "# a comment\n\n/no/such/recipe.ini\n" + path("broken.ini").string() +
                              "\n" + path("good.ini").string() + " --seed=7\n");

  EXPECT_EQ(code, 3) << read_file(path("err"));
  EXPECT_THAT(summary(), HasSubstr("## Troubles"));
  EXPECT_THAT(summary(), HasSubstr("no_such_key"));
  EXPECT_THAT(summary(), HasSubstr("## 1 new"));
  ASSERT_EQ(store().runs().size(), 1u);
  EXPECT_EQ(store().runs()[0].seed, 7u);
  if (site_page().missing.empty()) {
    EXPECT_TRUE(std::filesystem::exists(path("work") / "site/index.html"));
  }
}

TEST_F(Nightly, ANightIsHeldAgainstTheReference) {
  write_recipe("good.ini");
  const std::string list = path("good.ini").string() + "\n";
  EXPECT_EQ(night("2026-01-01", list), 0);
  const std::string folder = path("reference").string();
  export_reference(store(), {}, folder);

  EXPECT_EQ(night("2026-01-02", list, "", "--reference " + folder), 0) << read_file(path("err"));
  EXPECT_THAT(summary(), HasSubstr("1 exact."));

  // The reference says otherwise.
  Store other(path("other.db"));
  merge(other, path("work") / "quantbench.db");
  other.connection().execute(
      "UPDATE results SET weights_hash = package_hash, top1_shipped = 1 - top1_shipped");
  std::filesystem::remove_all(folder);
  export_reference(other, {}, folder);
  EXPECT_EQ(night("2026-01-03", list, "", "--reference " + folder), 1) << read_file(path("err"));
  EXPECT_THAT(summary(), HasSubstr("1 different."));
}

TEST_F(Nightly, NightStartedAgainSkipsWhatIsDoneAndTheNextRepeatsIt) {
  write_recipe("good.ini");
  const std::string list = path("good.ini").string() + "\n";

  EXPECT_EQ(night("2026-01-01", list), 0);
  EXPECT_EQ(night("2026-01-01", list), 0);
  EXPECT_EQ(store().runs().size(), 1u);
  EXPECT_EQ(night("2026-01-02", list), 0);

  EXPECT_EQ(store().runs().size(), 2u);
  EXPECT_THAT(summary(), HasSubstr("## 0 regressed"));
  EXPECT_THAT(summary(), Not(HasSubstr("Troubles")));
}

TEST_F(Nightly, RegressionIsTheExitCode) {
  write_recipe("good.ini");
  const std::string list = path("good.ini").string() + "\n";
  ASSERT_EQ(night("2026-01-01", list), 0);
  store().connection().execute("UPDATE results SET size_bytes = size_bytes / 2");

  EXPECT_EQ(night("2026-01-02", list), 1);

  EXPECT_THAT(summary(), HasSubstr("## 1 regressed"));
  EXPECT_THAT(summary(), HasSubstr("The package went from"));
}

TEST_F(Nightly, RefusedShardIsATroubleAndOthersAreMerged) {
  write_recipe("good.ini");
  { Store newer(path("newer.db")); }
  Connection(path("newer.db"), Connection::Access::Write).execute("PRAGMA user_version = 99");

  const int code = night("2026-01-01", path("good.ini").string() + "\n", path("newer.db").string());

  EXPECT_EQ(code, 3);
  EXPECT_THAT(summary(), HasSubstr("has schema version 99"));
  EXPECT_EQ(store().runs().size(), 1u);
}

TEST_F(Nightly, WithoutAListItSaysWhatItTakes) {
  const std::string line = QUANTBENCH_SOURCE_DIR "/scripts/nightly.sh 2>" + path("err").string();

  EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), 2);
  EXPECT_THAT(read_file(path("err")), HasSubstr("lists recipes"));
}

}  // namespace
}  // namespace quantbench
