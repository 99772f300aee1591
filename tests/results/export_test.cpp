#include "results/export.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "results/board.h"
#include "results/run_folder.h"
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

TEST_F(StoreTest, ExportCarriesTheTimeOfThePackage) {
  Store store(path());
  SomeRun timed;
  timed.latency_ms = 2;
  timed.latency_shipped = true;
  add_run(store, timed);
  add_run(store, {});

  const Json runs = Json::parse(export_json(store, {}));

  EXPECT_TRUE(runs[0].at("latency_median_ms").is_null());
  EXPECT_EQ(runs[1].at("latency_median_ms"), 2);
  EXPECT_EQ(runs[1].at("latency_kind"), "fused integer");
  EXPECT_TRUE(runs[1].at("latency_p99_ms").is_null());
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

  export_mlflow(store, {}, path("mlruns"), path());

  const auto run = path("mlruns") / "1" / uid;
  EXPECT_EQ(read_file(run / "params/uniform.weight_bits"), "4");
  EXPECT_THAT(read_file(run / "metrics/top1_shipped"), HasSubstr(" 0.9 0\n"));
  EXPECT_THAT(read_file(run / "metrics/train_loss"), HasSubstr(" 0.4 1\n"));
  EXPECT_EQ(read_file(run / "tags/method"), "uniform");
  EXPECT_THAT(read_file(run / "meta.yaml"), HasSubstr("status: 3"));
}

TEST_F(StoreTest, MlflowRunsCarryTheirArtefactsAndTheTimesOfTheirEpochs) {
  Store store(path());
  add_run(store, {});
  const RunRecord record = store.run(1);
  const std::filesystem::path from = run_folder(path(), record);
  std::filesystem::create_directories(from);
  write_atomically(from / "package.safetensors", "the package");

  export_mlflow(store, {}, path("mlruns"), path());

  const auto run = path("mlruns") / "1" / record.uid;
  EXPECT_EQ(read_file(run / "artifacts/package.safetensors"), "the package");
  for (const auto& [name, text] : store.artefacts(1))
    EXPECT_EQ(read_file(run / "artifacts" / name), text);
  EXPECT_THAT(read_file(run / "meta.yaml"),
              HasSubstr("artifact_uri: \"file://" + (run / "artifacts").string()));
  const std::string loss = read_file(run / "metrics/train_loss");
  const int64_t first = std::stoll(loss), second = std::stoll(loss.substr(loss.find('\n') + 1));
  const int64_t started = 1000 * seconds_of(record.started);
  EXPECT_GE(first, started);
  EXPECT_LE(first, started + 2000);
  EXPECT_LE(first, second);
}

TEST_F(StoreTest, AnMlflowStoreThatIsThereGetsWhatItDoesNotHave) {
  Store store(path());
  add_run(store, {});
  const std::string mine = path("mlruns") / "1";
  std::filesystem::create_directories(mine);
  write_atomically(mine + "/meta.yaml", "experiment_id: '1'\nname: mine\n");
  export_mlflow(store, {}, path("mlruns"), path());
  SomeRun another;
  another.seed = 2;
  add_run(store, another);

  export_mlflow(store, {}, path("mlruns"), path());

  EXPECT_EQ(read_file(mine + "/meta.yaml"), "experiment_id: '1'\nname: mine\n");
  for (int64_t run : {1, 2})
    EXPECT_TRUE(std::filesystem::exists(path("mlruns") / "2" / store.run(run).uid / "meta.yaml"));
  std::filesystem::create_directories(path("photos"));
  write_atomically(path("photos") / "a.jpg", "mine");
  EXPECT_THAT(sentence_of([&] { export_mlflow(store, {}, path("photos"), path()); }),
              HasSubstr("is there already"));
}

TEST_F(StoreTest, ExportedCsvHasAColumnForEachOption) {
  Store store(path());
  add_run(store, {});
  SomeRun hawq;
  hawq.method = "hawq";
  hawq.settings = "hawq.bits = 2\n";
  add_run(store, hawq);

  const auto lines = parse_csv(export_csv(store, {}), "csv");

  const auto column = [&](const std::string& name) {
    return static_cast<size_t>(std::find(lines[0].begin(), lines[0].end(), name) -
                               lines[0].begin());
  };
  ASSERT_LT(column("recipe.hawq.bits"), lines[0].size());
  EXPECT_EQ(lines[1].at(column("recipe.hawq.bits")), "2");
  EXPECT_EQ(lines[1].at(column("recipe.uniform.weight_bits")), "");
  EXPECT_EQ(lines[2].at(column("recipe.uniform.weight_bits")), "4");
}

// What TensorBoard reads: length, checksum of the length, the event, its checksum.
TEST_F(StoreTest, TensorboardFilesAreWholeRecordsWithTheCurves) {
  Store store(path());
  add_run(store, {});

  export_tensorboard(store, {}, path("events"));

  std::string bytes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("events")))
    if (entry.is_regular_file()) bytes = read_file(entry.path());
  ByteReader in(bytes, "the events");
  std::vector<std::string> events;
  while (in.left() > 0) {
    const auto length = in.number<uint64_t>();
    in.number<uint32_t>();
    events.emplace_back(in.take(length));
    in.number<uint32_t>();
  }
  ASSERT_GT(events.size(), 10u);
  EXPECT_THAT(events[0], HasSubstr("brain.Event:2"));
  EXPECT_THAT(bytes, HasSubstr("loss/train"));
  EXPECT_THAT(bytes, HasSubstr("result/top1_shipped"));
  // CRC-32C of the eight bytes of the first length, 24, masked: computed once by another program.
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(8, 4), std::string("\xa3\x7f\x4b\x22", 4));
}

TEST_F(StoreTest, MlflowExportLeavesInPeaceWhatLiesBesideIt) {
  Store store(path());
  add_run(store, {});
  std::filesystem::create_directory(path("mlruns.part"));
  write_atomically(path("mlruns.part") / "mine", "kept");

  export_mlflow(store, {}, path("mlruns"), path());

  EXPECT_EQ(read_file(path("mlruns.part") / "mine"), "kept");
}

TEST_F(StoreTest, ConcurrentMlflowExportsLeaveOneThatIsWhole) {
  Store(path()).begin(some_run());
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i)
    children.push_back(start_child([&] {
      const std::string sentence = sentence_of(
          [&] { export_mlflow(Store(path(), Store::Access::Read), {}, path("mlruns"), path()); });
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

  export_mlflow(store, {}, path("mlruns"), path());

  const auto params = path("mlruns") / "1" / store.run(1).uid / "params";
  EXPECT_TRUE(std::filesystem::exists(params / ".._.._escape"));
  EXPECT_TRUE(std::filesystem::exists(params / "_.."));
  EXPECT_FALSE(std::filesystem::exists(path("mlruns") / "1" / "escape"));
}

}  // namespace
}  // namespace quantbench
