// What the program does with lists of calibration samples, parts of a test split, folders with
// broken images, and weights under other names.
#include <gmock/gmock.h>

#include "bench/calibration_set.h"
#include "bench/data_source.h"
#include "models/model.h"
#include "models/network.h"
#include "models/safetensors.h"
#include "tests/bench/program.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DataProgram : public Program {
 protected:
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
};

Recipe recipe(RecipeText more = {}) {
  RecipeText text{{"model", {"lenet5"}},
                  {"dataset", {"synthetic_images"}},
                  {"synthetic_images.train", {"40"}},
                  {"synthetic_images.test", {"10"}},
                  {"synthetic_images.validation", {"10"}},
                  {"calibration.samples", {"6"}}};
  return expand(merge(text, more)).at(0);
}

TEST_F(DataProgram, WhatARunWritesOfItsCalibrationIsAListThatGivesItAgain) {
  const auto dataset = open_dataset(recipe(), "");
  const auto drawn = calibration_positions(recipe(), *dataset, {});
  ASSERT_EQ(drawn.size(), 6u);
  RecipeText text{
      {"calibration.list", {write("mine.txt", calibration_rows(*dataset, drawn)).string()}}};

  name_calibration_list(text);
  const Recipe listed = recipe(text);

  EXPECT_THAT(listed.values.text("calibration.list"),
              ::testing::MatchesRegex("mine.txt:[0-9a-f]+"));
  const auto list = calibration_list(listed, folder_ / "q.db");
  EXPECT_EQ(calibration_positions(listed, *dataset, list), drawn);
  EXPECT_NE(listed.canonical(), recipe().canonical());
  EXPECT_THAT(recipe().canonical(), Not(HasSubstr("calibration.list")));
}

TEST_F(DataProgram, ACalibrationListIsKeptHashedAndReplayed) {
  write("mine.txt", "train 5\ntrain 3\n\ntrain 500\n");

  const Answer run = ask(small({{"calibration.list", (folder_ / "mine.txt").string()}}));

  ASSERT_EQ(run.code, 0) << run.err;
  const Json shown = show(1);
  const Json stored = Json::parse(shown.at("artefacts").at("calibration.json").get<std::string>());
  EXPECT_EQ(stored.at("samples"), 3);
  const std::string rows = read_file(fs::path(shown.at("folder")) / "calibration.txt");
  EXPECT_EQ(rows, "train 5\ntrain 3\ntrain 500\n");
  fs::remove(folder_ / "mine.txt");
  EXPECT_THAT(ask("replay 1").out, HasSubstr("exact"));

  // Other samples are another contract.
  write("mine.txt", "train 6\n");
  ASSERT_EQ(ask(small({{"calibration.list", (folder_ / "mine.txt").string()}})).code, 0);
  EXPECT_NE(show(3).at("contract").at("calibration_hash"),
            shown.at("contract").at("calibration_hash"));
}

TEST_F(DataProgram, ACalibrationListThatIsNoneEndsInASentence) {
  const std::pair<const char*, const char*> mistakes[] = {{"train 1\ntrain 1\n", "twice"},
                                                          {"\n", "names no sample"},
                                                          {"test 1\n", "no training sample"}};
  for (const auto& [rows, why] : mistakes) {
    const Answer run =
        ask(small({{"calibration.list", write("mine.txt", rows).string()}, {"fp32.epochs", "0"}}));
    EXPECT_EQ(run.code, 1);
    EXPECT_THAT(run.out + run.err, HasSubstr(why));
  }
  EXPECT_THAT(ask(small({{"calibration.list", "absent.txt"}})).err, HasSubstr("absent.txt"));
}

TEST_F(DataProgram, AResultOfAPartOfTheTestSplitSaysSoEverywhere) {
  const Answer part = ask(small({{"evaluation.samples", "25"}}));
  ASSERT_EQ(part.code, 0) << part.err;
  ASSERT_EQ(ask(small()).code, 0);

  EXPECT_THAT(part.out, HasSubstr("25.0 % of the test split"));
  EXPECT_THAT(ask("show 1").out, HasSubstr("25.0 % of the test split"));
  EXPECT_THAT(ask("runs").out, HasSubstr("25.0 % of the test split"));
  EXPECT_EQ(show(1).at("figures").at("test_share"), 0.25);
  EXPECT_EQ(show(2).at("figures").count("test_share"), 0u);
  // The two are in groups of their own.
  EXPECT_THAT(ask("leaderboard --format text").out, HasSubstr("B differs from A in"));

  const std::string package = (fs::path(show(2).at("folder")) / "package.safetensors").string();
  const std::string data =
      " --dataset=synthetic_images --synthetic_images.size=16 --synthetic_images.train=600 "
      "--synthetic_images.test=100 --synthetic_images.validation=50 ";
  EXPECT_THAT(ask("eval " + package + data).out, HasSubstr("of 100 test samples"));
  EXPECT_THAT(ask("eval " + package + data + "--evaluation.samples=10").out,
              HasSubstr("of 10 (10.0 %) of the test samples"));
}

TEST_F(DataProgram, BatchesInPartsAreAnotherTrainingBudget) {
  ASSERT_EQ(ask(small({{"batch.parts", "2"}})).code, 0);
  EXPECT_THAT(show(1).at("contract").at("training_budget"), HasSubstr("batch 20 in 2 parts"));
  EXPECT_THAT(show(1).at("recipe"), HasSubstr("batch.parts = 2"));
}

TEST_F(DataProgram, ANetworkThatOverflowsIsMistrusted) {
  Network network(build_model("lenet5", {{3, 16, 16}, 10}), RandomStream(1, "init"));
  SafeTensors file;
  for (const auto& [name, tensor] : network.state())
    file.tensors.emplace_back(name, tensor.clone());
  file.tensors.end()[-2].second.fill_(3e38f);  // the last layer's weights
  write_safetensors(folder_ / "huge.safetensors", file);

  ask(small({{"uniform.mode", "ptq"},
             {"fp32.epochs", "0"},
             {"fp32.weights", (folder_ / "huge.safetensors").string()},
             {"latency", "yes"}}));

  EXPECT_EQ(show(1).at("status"), "mistrusted");
  EXPECT_THAT(show(1).dump(), HasSubstr("not finite"));
  EXPECT_TRUE(show(1).at("latencies").empty()) << show(1).at("latencies");
}

TEST_F(DataProgram, WeightsAreImportedUnderOtherNames) {
  write_safetensors(folder_ / "theirs.safetensors",
                    {{{"net.fc.weight", torch::ones({2, 3})}, {"aux.bias", torch::ones({2})}}, {}});
  const fs::path map = write("names.json", R"({"net.*": "*", "aux.bias": null})");
  const fs::path out = folder_ / "ours.safetensors";

  const Answer import = ask("import " + (folder_ / "theirs.safetensors").string() + " --map " +
                            map.string() + " --out " + out.string());

  ASSERT_EQ(import.code, 0) << import.err;
  EXPECT_THAT(import.out, HasSubstr("1 tensors"));
  const SafeTensors read = read_safetensors(out);
  ASSERT_EQ(read.tensors.size(), 1u);
  EXPECT_TRUE(torch::equal(read.at("fc.weight"), torch::ones({2, 3})));

  write("names.json", R"({"nte.*": "*"})");
  EXPECT_THAT(ask("import " + (folder_ / "theirs.safetensors").string() + " --map " + map.string() +
                  " --out " + out.string())
                  .err,
              HasSubstr("no tensor of the weight file is called 'nte.*'"));
}

}  // namespace
}  // namespace quantbench
