#include "results/export.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "results/tables/csv.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

TEST_F(StoreTest, ExportedCsvHasOneLineARunAndSurvivesNastyNames) {
  Store store(path());
  SomeRun run;
  run.method = "a \"b\",\nc";
  add_run(store, run);
  add_run(store, {});

  const auto lines = parse_csv(export_csv(store, {}), "csv");

  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].at(3), "method");
  EXPECT_EQ(lines[2].at(3), run.method);
  EXPECT_EQ(lines[1].size(), lines[0].size());
}

TEST_F(StoreTest, ExportedJsonCarriesRecipeAndContract) {
  Store store(path());
  add_run(store, {});
  begin_run(store, {});

  const Json runs = Json::parse(export_json(store, {}));

  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[1].at("recipe").at("uniform.weight_bits"), "4");
  EXPECT_EQ(runs[1].at("contract").at("activation_bits"), "8.0");
  EXPECT_TRUE(runs[0].at("top1_shipped").is_null());
}

TEST_F(StoreTest, NoRunsAreAnEmptyExport) {
  Store store(path());

  EXPECT_EQ(export_csv(store, {}), "");
  EXPECT_EQ(Json::parse(export_json(store, {})), Json::array());
}

TEST_F(StoreTest, MlflowFoldersHoldParamsMetricsAndTags) {
  Store store(path());
  add_run(store, {});
  const std::string uid = store.run(1).uid;

  export_mlflow(store, {}, path("mlruns"));

  const auto run = path("mlruns") / "1" / uid;
  EXPECT_EQ(read_file(run / "params/uniform.weight_bits"), "4");
  EXPECT_THAT(read_file(run / "metrics/top1_shipped"), HasSubstr(" 0.9 0\n"));
  EXPECT_THAT(read_file(run / "metrics/train_loss"), HasSubstr(" 0.4 1\n"));
  EXPECT_EQ(read_file(run / "tags/method"), "uniform");
  EXPECT_THAT(read_file(run / "meta.yaml"), HasSubstr("status: 3"));
  EXPECT_THAT(sentence_of([&] { export_mlflow(store, {}, path("mlruns")); }),
              HasSubstr("is there already"));
}

TEST_F(StoreTest, MlflowExportLeavesInPeaceWhatLiesBesideIt) {
  Store store(path());
  add_run(store, {});
  std::filesystem::create_directory(path("mlruns.part"));
  write_atomically(path("mlruns.part") / "mine", "kept");

  export_mlflow(store, {}, path("mlruns"));

  EXPECT_EQ(read_file(path("mlruns.part") / "mine"), "kept");
}

TEST_F(StoreTest, ConcurrentMlflowExportsLeaveOneThatIsWhole) {
  Store(path()).begin(some_run());
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i)
    children.push_back(start_child([&] {
      const std::string sentence = sentence_of(
          [&] { export_mlflow(Store(path(), Store::Access::Read), {}, path("mlruns")); });
      return sentence.empty() || sentence.find("meanwhile") != std::string::npos ||
             sentence.find("is there already") != std::string::npos;
    }));
  for (pid_t child : children) EXPECT_EQ(wait_for(child), 0);

  int64_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path("").parent_path()))
    entries += entry.path().filename().string().rfind("mlruns", 0) == 0;
  EXPECT_EQ(entries, 1);
  EXPECT_TRUE(std::filesystem::exists(path("mlruns") / "1" / "meta.yaml"));
}

TEST(CsvField, WhatASpreadsheetWouldTakeForAFormulaIsMadeHarmless) {
  EXPECT_EQ(csv_field("=HYPERLINK(1)"), "'=HYPERLINK(1)");
  EXPECT_EQ(csv_field("@SUM(1,2)"), "\"'@SUM(1,2)\"");
  EXPECT_EQ(csv_field("+1+cmd|x"), "'+1+cmd|x");
  EXPECT_EQ(csv_field("-1e-3"), "-1e-3");
  EXPECT_EQ(csv_field("\xff"), "\xef\xbf\xbd");
}

TEST_F(StoreTest, RecipeKeysThatArePathsStayInTheMlflowFolder) {
  Store store(path());
  SomeRun run;
  run.settings = "../../escape = 1\n.. = 2\n";
  add_run(store, run);

  export_mlflow(store, {}, path("mlruns"));

  const auto params = path("mlruns") / "1" / store.run(1).uid / "params";
  EXPECT_TRUE(std::filesystem::exists(params / ".._.._escape"));
  EXPECT_TRUE(std::filesystem::exists(params / "_.."));
  EXPECT_FALSE(std::filesystem::exists(path("mlruns") / "1" / "escape"));
}

}  // namespace
}  // namespace quantbench
