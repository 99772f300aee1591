#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "tests/floors/include_rules.h"

namespace quantbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Floors : public ::testing::TestWithParam<const char*> {};

TEST_P(Floors, FolderIncludesOnlyWhatStandsBelow) {
  const std::filesystem::path root = QUANTBENCH_SOURCE_DIR;

  const auto paths = sources(root, GetParam());

  EXPECT_FALSE(paths.empty());
  for (const std::string& path : paths) {
    std::ifstream in(root / path);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(include_violations(path, text), IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Floors,
                         ::testing::Values("base", "datasets", "models", "results", "methods",
                                           "runtime", "bench", "tests"),
                         [](const auto& folder) { return std::string(folder.param); });

TEST(IncludeRules, UpwardIncludeIsCaughtWithItsLine) {
  const auto found = include_violations("models/graph.h", "// x\n#include \"methods/method.h\"\n");

  EXPECT_THAT(found, ElementsAre(HasSubstr("models/graph.h:2: #include \"methods/method.h\"")));
}

TEST(IncludeRules, NeighboursOnOneFloorDoNotKnowEachOther) {
  EXPECT_EQ(include_violations("datasets/a.cpp", "#include \"models/graph.h\"").size(), 1u);
  EXPECT_EQ(include_violations("results/a.cpp", "#include \"datasets/dataset.h\"").size(), 1u);
  EXPECT_EQ(include_violations("models/a.cpp", "#include \"results/store.h\"").size(), 1u);
}

TEST(IncludeRules, LowerFloorsAreAllowed) {
  EXPECT_THAT(include_violations("bench/a.cpp",
                                 "#include \"bench/b.h\"\n#include \"runtime/package.h\"\n"
                                 "#include \"results/store.h\"\n#include \"base/error.h\"\n"),
              IsEmpty());
}

TEST(IncludeRules, RuntimeKnowsOfMethodsOnlyWhatAnEncodingIs) {
  EXPECT_THAT(include_violations("runtime/a.h",
                                 "#include \"methods/encoding.h\"\n#include "
                                 "\"methods/bit_width.h\"\n#include \"models/graph.h\"\n"),
              IsEmpty());
  EXPECT_EQ(include_violations("runtime/a.h", "#include \"methods/method.h\"").size(), 1u);
}

TEST(IncludeRules, MethodsShareOnlyWhatIsCommon) {
  EXPECT_THAT(include_violations("methods/uniform/a.cpp",
                                 "#include \"methods/uniform/uniform.h\"\n"
                                 "#include \"methods/common/range.h\"\n"),
              IsEmpty());
  EXPECT_EQ(include_violations("methods/uniform/a.cpp", "#include \"methods/hawq/hawq.h\"").size(),
            1u);
  EXPECT_EQ(include_violations("methods/method.cpp", "#include \"methods/hawq/hawq.h\"").size(),
            1u);
}

TEST(IncludeRules, ResultsKnowNoTensor) {
  EXPECT_EQ(include_violations("results/a.h", "#include \"base/batch.h\"").size(), 1u);
  EXPECT_EQ(include_violations("results/a.h", "#include <torch/torch.h>").size(), 1u);
}

TEST(IncludeRules, ThirdPartyHeadersStayAtTheirEdge) {
  EXPECT_EQ(include_violations("bench/a.cpp", "#include <sqlite3.h>").size(), 1u);
  EXPECT_EQ(include_violations("models/a.cpp", "#include <opencv2/core.hpp>").size(), 1u);
  EXPECT_EQ(include_violations("base/a.cpp", "#include <boost/program_options.hpp>").size(), 1u);
  EXPECT_EQ(include_violations("runtime/a.cpp", "#include <benchmark/benchmark.h>").size(), 1u);
  EXPECT_EQ(include_violations("runtime/a.cpp", "#include <zip.h>").size(), 1u);
  EXPECT_EQ(include_violations("bench/a.cpp", "#include <onnx/onnx_pb.h>").size(), 1u);
  EXPECT_THAT(include_violations("runtime/onnx/a.cpp", "#include <onnx/onnx_pb.h>"), IsEmpty());
  EXPECT_THAT(include_violations("results/a.cpp", "#include <sqlite3.h>"), IsEmpty());
  EXPECT_THAT(include_violations("tests/results/a.cpp", "#include <sqlite3.h>"), IsEmpty());
}

TEST(IncludeRules, OtherSpellingsAreNoWayRound) {
  EXPECT_EQ(include_violations("base/a.cpp", "  #  include <models/graph.h>").size(), 1u);
  EXPECT_EQ(include_violations("base/a.cpp", "#include \"../models/graph.h\"").size(), 1u);
  EXPECT_EQ(include_violations("base/a.cpp", "#include \"base/../models/graph.h\"").size(), 1u);
  EXPECT_EQ(include_violations("models/zoo/a.cpp", "#include \"graph.h\"").size(), 1u);
}

}  // namespace
}  // namespace quantbench
