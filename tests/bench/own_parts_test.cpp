// What people bring along: a network as a file, data of their own, plug-ins held to the standard.
#include <gmock/gmock.h>

#include "tests/bench/program.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

class OwnParts : public Program {
 protected:
  std::string example_net() const {
    return std::string(QUANTBENCH_SOURCE_DIR) + "/tests/bench/example_net.json";
  }
};

TEST_F(OwnParts, ANetworkFromAFileIsTrainedShownAndReplayed) {
  const Answer run = ask(small({{"model", example_net()}}));
  ASSERT_EQ(run.code, 0) << run.err;

  const Json shown = show(1);
  EXPECT_THAT(shown.at("model"), ::testing::MatchesRegex("example_net:[0-9a-f]+"));
  EXPECT_THAT(ask("replay 1").out, HasSubstr("exact"));
  const std::string model = shown.at("model");
  EXPECT_EQ(ask("runs --model=" + model).code, 0);

  // The same network, written otherwise, is the same model; another is another.
  const Json graph = Json::parse(read_file(example_net()));
  std::ofstream(folder_ / "same.json") << graph.dump(3);
  Json other = graph;
  other["nodes"][8]["with"]["stride"] = {1, 1};
  std::ofstream(folder_ / "other.json") << other.dump();
  ASSERT_EQ(ask(small({{"model", (folder_ / "same.json").string()}})).code, 0);
  ASSERT_EQ(ask(small({{"model", (folder_ / "other.json").string()}})).code, 0);
  EXPECT_EQ(show(3).at("identity"), shown.at("identity"));
  EXPECT_NE(show(4).at("model"), shown.at("model"));
}

TEST_F(OwnParts, ANetworkThatIsNoneEndsInASentence) {
  std::ofstream(folder_ / "broken.json") << "{\"name\": ";
  std::ofstream(folder_ / "empty.json") << "{}";
  Json graph = Json::parse(read_file(example_net()));
  graph["name"] = "../net";
  std::ofstream(folder_ / "named.json") << graph.dump();
  const std::vector<std::pair<std::string, std::string>> mistakes{{"broken.json", "broken.json"},
                                                                  {"empty.json", "malformed"},
                                                                  {"named.json", "letters"},
                                                                  {"absent.json", "absent.json"}};
  for (const auto& [name, expected] : mistakes) {
    const Answer answer = ask(small({{"model", (folder_ / name).string()}}));

    EXPECT_EQ(answer.code, 1) << name;
    EXPECT_THAT(answer.err, HasSubstr(expected)) << name;
  }
  const Answer shape = ask(small({{"model", example_net()}, {"synthetic_images.size", "32"}}));
  EXPECT_THAT(shape.out + shape.err, HasSubstr("takes [3, 16, 16]"));
}

TEST_F(OwnParts, ATableOfOnesOwnIsADataset) {
  std::ofstream out(folder_ / "mine.csv");
  out << "x,y,kind\n";
  for (int i = 0; i < 400; ++i)
    out << i % 20 << ',' << i / 20 << ',' << (i % 20 > i / 20 ? "below" : "above") << '\n';
  out.close();

  const Answer run = ask(
      "run --model=mlp_jet --dataset=table --table.path=" + (folder_ / "mine.csv").string() +
      " --method=uniform --fp32.epochs=20 --fp32.lr=0.05 --batch=32 --latency=no --format json");

  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_GT(Json::parse(run.out).at("top1_shipped").get<double>(), 0.9);
}

TEST_F(OwnParts, ADatasetMayComeFromAPlugInAndIsPartOfTheRunsIdentity) {
  const std::string run =
      "run --method=uniform --model=mlp_jet --dataset=rings_example --fp32.epochs=2 --latency=no";
  EXPECT_THAT(ask(run).err, HasSubstr("rings_example"));

  const Answer answer = ask(run + " --plugin=" + EXAMPLE_DATASET);

  ASSERT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(show(1).at("recipe"), HasSubstr("dataset.plugin = rings_example 1 "));
  EXPECT_THAT(ask("replay 1").out, HasSubstr("exact")) << "the plug-in is found in plugins/";
}

TEST_F(OwnParts, ConformanceHoldsPlugInsToTheStandard) {
  EXPECT_THAT(ask("conformance").err, HasSubstr("--plugin"));
  EXPECT_THAT(ask("conformance juggle").err, HasSubstr("juggle"));

  const Answer answer = ask(std::string("conformance --format json --plugin=") + EXAMPLE_PLUGIN);

  EXPECT_EQ(answer.code, 0) << answer.out;
  const Json checks = Json::parse(answer.out);
  EXPECT_GE(checks.size(), 8u);
  for (const Json& check : checks) EXPECT_TRUE(check.at("holds")) << check;
}

}  // namespace
}  // namespace quantbench
