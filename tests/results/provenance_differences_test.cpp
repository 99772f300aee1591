#include "results/provenance_differences.h"

#include <gmock/gmock.h>

#include "tests/results/support.h"

namespace quantbench {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ProvenanceDifferences, EqualRunsHaveNone) {
  EXPECT_THAT(provenance_differences(some_run(), some_run()), IsEmpty());
}

TEST(ProvenanceDifferences, NamesEachWithBothSides) {
  RunRecord now = some_run();
  now.dataset_fingerprint = "beef";
  now.provenance.threads = 4;
  now.provenance.source_dirty = false;
  now.provenance.libraries["LibTorch"] = "2.1.0";

  EXPECT_THAT(provenance_differences(some_run(), now),
              ElementsAre("data (f00d / beef)", "source (abc123 changed / abc123)",
                          "LibTorch (1.13.1 / 2.1.0)", "threads (2 / 4)"));
}

TEST(ProvenanceDifferences, AChangedPluginIsNoOtherRecipe) {
  RunRecord then = some_run(), now = then;
  then.recipe += "method.plugin = ternary 1 " + std::string(64, 'a') + "\n";
  now.recipe += "method.plugin = ternary 1 " + std::string(64, 'b') + "\n";

  EXPECT_THAT(provenance_differences(then, now), ElementsAre("plug-in (aaaaaaaa / bbbbbbbb)"));
  EXPECT_THAT(provenance_differences(then, some_run()), ElementsAre("plug-in (aaaaaaaa / none)"));
}

}  // namespace
}  // namespace quantbench
