// Reference files: what comes out is what went in, and what is no such file is refused.
#include "results/reference.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "results/contract_rows.h"
#include "results/entries.h"
#include "results/reference_file.h"
#include "results/sqlite.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class Reference : public StoreTest {
 protected:
  static SomeRun some(uint64_t seed, double top1 = 0.9) {
    SomeRun run;
    run.seed = seed;
    run.top1 = top1;
    run.data = sha256("data");
    run.latency_ms = 2;
    run.latency_shipped = true;
    run.figures = {{"ebops", 12.5}};
    return run;
  }

  std::filesystem::path folder() const { return path("reference"); }
  std::filesystem::path only_file() const {
    std::filesystem::path out;
    for (const auto& entry : std::filesystem::directory_iterator(folder())) out = entry.path();
    return out;
  }

  // Seeds 1, 2 and 3 of one configuration, as one file.
  Json file() {
    Store store(path());
    for (uint64_t seed : {1, 2, 3}) add_run(store, some(seed, 0.9 + 0.01 * seed));
    export_reference(store, {}, folder());
    return Json::parse(read_file(only_file()));
  }
};

TEST_F(Reference, ComesBackAsItWentIn) {
  Store store(path());
  for (uint64_t seed : {3, 1}) add_run(store, some(seed, 0.9 + 0.01 * seed));

  EXPECT_EQ(export_reference(store, {}, folder()), 1u);
  const Store back = read_reference(folder());

  ASSERT_EQ(back.runs().size(), 2u);
  for (const RunRecord& run : back.runs()) {
    const auto all = store.runs();
    const auto was =
        std::find_if(all.begin(), all.end(), [&](const RunRecord& r) { return r.uid == run.uid; });
    ASSERT_NE(was, all.end());
    EXPECT_EQ(run.recipe, was->recipe);
    EXPECT_EQ(run.seed, was->seed);
    EXPECT_EQ(run.started, was->started);
    EXPECT_EQ(run.dataset_fingerprint, was->dataset_fingerprint);
    EXPECT_EQ(run.provenance.libraries, was->provenance.libraries);
    EXPECT_EQ(run.provenance.source_dirty, was->provenance.source_dirty);
    EXPECT_EQ(run.identity, run_identity(*was));
    const RunResult a = back.result(run.id), b = store.result(was->id);
    EXPECT_EQ(a.top1_shipped, b.top1_shipped);
    EXPECT_EQ(a.size_bytes, b.size_bytes);
    EXPECT_EQ(a.figures, b.figures);
    EXPECT_EQ(a.weights_hash, b.weights_hash);
    EXPECT_EQ(back.latencies(run.id).at(0).median_ms, 2);
  }
  const Board here = read_board(store), there = read_board(back);
  const auto entry = board_entries(there).at(0);
  EXPECT_EQ(entry.mean, board_entries(here).at(0).mean);
  EXPECT_EQ(differences(there.contracts.at(entry.runs[0]->contract),
                        here.contracts.at(here.rows[0].contract)),
            std::vector<std::string>());
}

TEST_F(Reference, KeepsTheTailOfLatencies) {
  Store store(path());
  const int64_t run = add_run(store, some(1));
  store.connection().execute(
      "UPDATE latencies SET p50_ms = 2, p90_ms = 3, p99_ms = 5, offline_batch = 64, "
      "offline_per_second = 700");

  export_reference(store, {}, folder());

  const LatencyRow was = store.latencies(run).at(0);
  const LatencyRow row = read_reference(folder()).latencies(1).at(0);
  EXPECT_EQ(row.p50_ms, was.p50_ms);
  EXPECT_EQ(row.p90_ms, was.p90_ms);
  EXPECT_EQ(row.p99_ms, 5);
  EXPECT_EQ(row.offline_batch, 64);
  EXPECT_EQ(row.offline_per_second, was.offline_per_second);
}

TEST_F(Reference, RunsThatWroteFilesForOtherToolsAreOfTheSameConfiguration) {
  Store store(path());
  add_run(store, some(1));
  SomeRun second = some(2);
  second.settings += "convert = qonnx\n";
  add_run(store, second);

  EXPECT_EQ(export_reference(store, {}, folder()), 1u);

  EXPECT_EQ(Json::parse(read_file(only_file())).at("recipe").count("convert"), 0u);
  EXPECT_EQ(read_reference(folder()).runs().size(), 2u);
}

TEST_F(Reference, AFileSaysMeanSeedsAndHours) {
  const Json json = file();

  EXPECT_EQ(json.at("accuracy"), Json::parse(R"({"n": 3, "mean": 0.92, "std": 0.01})"));
  EXPECT_EQ(json.at("runs").size(), 3u);
  EXPECT_EQ(json.at("contracts").size(), 1u);
  EXPECT_EQ(json.at("provenances").size(), 1u);
  EXPECT_EQ(json.at("recipe").at("uniform.weight_bits"), "4");
  EXPECT_EQ(json.at("recipe").count("seed"), 0u);
}

TEST_F(Reference, SeedsFromSeveralStoresComeTogetherAndTheNewestOfASeedStays) {
  file();
  Store other(path("other.db"));
  add_run(other, some(3, 0.5));
  add_run(other, some(4, 0.6));
  other.connection().execute("UPDATE runs SET started = '2099-01-01T00:00:00Z' WHERE seed = 3");

  export_reference(other, {}, folder());

  const Json json = Json::parse(read_file(only_file()));
  ASSERT_EQ(json.at("runs").size(), 4u);
  EXPECT_EQ(json.at("runs")[2].at("top1_shipped"), 0.5);
}

TEST_F(Reference, ANewerVersionOfTheMethodTakesTheFileOverAndAnOlderOneIsRefused) {
  file();
  Store newer(path("newer.db"));
  SomeRun run = some(9);
  run.method_version = 2;
  add_run(newer, run);

  export_reference(newer, {}, folder());

  EXPECT_EQ(Json::parse(read_file(only_file())).at("runs").size(), 1u);
  const Store store(path());
  EXPECT_THAT(sentence_of([&] { export_reference(store, {}, folder()); }), HasSubstr("version 2"));
}

TEST_F(Reference, OnlyRunsThatAreOkAreTaken) {
  Store store(path());
  SomeRun run = some(1);
  run.status = RunStatus::Mistrusted;
  add_run(store, run);

  EXPECT_THAT(sentence_of([&] { export_reference(store, {}, folder()); }),
              HasSubstr("no run with status ok"));
}

TEST_F(Reference, WhatIsNoReferenceFileIsRefusedInOneSentence) {
  const Json sound = file();
  ASSERT_EQ(parse_reference(sound.dump(), "it").size(), 3u);
  struct Change {
    const char* at;
    Json value;
    const char* expected;
  };
  const std::vector<Change> changes{
      {"/reference", 2, "version 2"},
      {"/reference", "1", "'reference' is not an integer"},
      {"/method", "../x", "cannot be the name"},
      {"/method", "hawq", "'method' and the recipe's differ"},
      {"/model", 7, "'model' is not a text"},
      {"/configuration", std::string(64, 'a'), "digest"},
      {"/configuration", "no hash", "SHA-256"},
      {"/recipe/uniform.weight_bits", "2", "digest"},
      {"/recipe/seed", "1", "has a seed"},
      {"/recipe/a\nb", "1", "no line of a recipe"},
      {"/recipe/batch", "20\nmethod = hawq", "no line of a recipe"},
      {"/recipe", Json::array(), "not an object"},
      {"/name", std::string(70000, 'x'), "70000 bytes"},
      {"/accuracy/mean", 0.99, "'accuracy'"},
      {"/machine_hours", nullptr, "machine_hours"},
      {"/runs", Json::array(), "has no runs"},
      {"/runs", Json::object(), "not a list"},
      {"/runs/0/uid", "short", "32 hexadecimal"},
      {"/runs/0/uid", sound.at("runs")[1].at("uid"), "of another run"},
      {"/runs/0/seed", 2, "of another run"},
      {"/runs/0/seed", -1, "2^64"},
      {"/runs/0/weights_hash", "", "'weights_hash'"},
      {"/runs/0/dataset_fingerprint", std::string(64, 'G'), "'dataset_fingerprint'"},
      {"/runs/0/top1_shipped", 1.5, "between 0 and 1"},
      {"/runs/0/top1_shipped", "0.9", "not a number"},
      {"/runs/0/size_bytes", -1, "'size_bytes'"},
      {"/runs/0/size_bytes", 1e300, "'size_bytes'"},
      {"/runs/0/size_bytes", 18446744073709551615U, "'size_bytes'"},
      {"/runs/0/started", "yesterday", "not a time"},
      {"/runs/0/contract", 1, "'contract'"},
      {"/runs/0/provenance", -1, "'provenance'"},
      {"/contracts", Json::array(), "no contract"},
      {"/runs/0/latencies/0/threads", "many", "'threads'"},
      {"/runs/0/figures", 3, "not an object"},
      {"/provenances/0/source_dirty", 1, "neither true nor false"},
      {"/provenances/0/libraries", Json::object({{"x", 1}}), "not a text"},
  };
  for (const Change& change : changes) {
    Json json = sound;
    json[Json::json_pointer(change.at)] = change.value;

    const std::string said = sentence_of([&] { parse_reference(json.dump(), "it"); });

    EXPECT_THAT(said, HasSubstr(change.expected)) << change.at;
    EXPECT_EQ(said.rfind("it", 0), 0u) << said;
  }
  for (const auto& [key, ignored] : sound.items()) {
    Json json = sound;
    json.erase(key);
    EXPECT_THAT(sentence_of([&] { parse_reference(json.dump(), "it"); }), HasSubstr(key));
  }
  for (const auto& [key, ignored] : sound.at("runs")[0].items()) {
    Json json = sound;
    json.at("runs")[0].erase(key);
    EXPECT_THAT(sentence_of([&] { parse_reference(json.dump(), "it"); }), HasSubstr(key));
  }
}

TEST_F(Reference, DeepLongAndDamagedFilesAreRefused) {
  file();
  const std::string text = read_file(only_file());
  const auto said = [&](const std::string& content) {
    std::ofstream(only_file(), std::ios::binary) << content;
    return sentence_of([&] { read_reference(folder()); });
  };

  EXPECT_THAT(said(text.substr(0, text.size() / 2)), HasSubstr(only_file().string()));
  EXPECT_THAT(said(std::string(100000, '[')), HasSubstr(only_file().string()));
  EXPECT_THAT(said(text + std::string(8 << 20, ' ')), HasSubstr(only_file().string()));
  EXPECT_THAT(said("[]"), HasSubstr("not an object"));
  EXPECT_EQ(said(text), "");
}

TEST_F(Reference, FoldersThatAreNoneAreRefused) {
  EXPECT_THAT(sentence_of([&] { read_reference(folder()); }), HasSubstr("cannot be read"));
  std::filesystem::create_directories(folder());
  EXPECT_THAT(sentence_of([&] { read_reference(folder()); }), HasSubstr("no reference file"));
  file();
  std::filesystem::copy(only_file(), folder() / "twice.json");
  EXPECT_THAT(sentence_of([&] { read_reference(folder()); }),
              HasSubstr("another file has the run"));
}

}  // namespace
}  // namespace quantbench
