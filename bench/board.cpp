// The leaderboard of a store of 100,000 runs: time of its page, of its table for a terminal, and of
// a comparison of two methods. Nothing but the store is read, so what LibTorch takes to load is not
// in these times.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/random.h"
#include "base/sha256.h"
#include "results/board_grid.h"
#include "results/compare/compare.h"

namespace quantbench {
namespace {

constexpr int64_t kConfigurations = 10000, kSeeds = 10;

// Of methods at 2 to 8 bits with a rate of their own, on three tasks; the first 40 configurations
// hold all methods on one task.
struct Setting {
  std::string method, model, dataset, recipe;
  int bits = 0;

  explicit Setting(int64_t i) {
    static const char* const kMethods[] = {"uniform", "hawq", "hawq_v2", "bsq",
                                           "alq",     "hgq",  "fp32",    "srq_dropbits"};
    static const char* const kTasks[][2] = {
        {"resnet20", "cifar10"}, {"lenet5", "mnist"}, {"vgg7", "cifar10"}};
    method = kMethods[i % 8];
    model = kTasks[i / 40 % 3][0];
    dataset = kTasks[i / 40 % 3][1];
    bits = 2 + static_cast<int>(i / 8 % 5);
    recipe = fmt::format(
        "batch = 128\ndataset = {}\nfp32.epochs = 4\nmethod = {}\nmodel = {}\nseed = 1\n"
        "train.lr = {}\n{}.weight_bits = {}\n",
        dataset, method, model, static_cast<double>(1 + i / 40) / 1000, method, bits);
  }
};

class FullStore {
 public:
  FullStore() {
    std::string name = (std::filesystem::temp_directory_path() / "bench-board-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    store_ = std::make_unique<Store>(folder_ / "runs.db");
    const RandomStream random(1, "board");
    for (int64_t i = 0; i < kConfigurations; ++i) {
      const Setting setting(i);
      for (int64_t seed = 1; seed <= kSeeds; ++seed)
        add(setting, seed, random.uniform(static_cast<uint64_t>(i * kSeeds + seed)));
    }
  }
  ~FullStore() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  const Store& store() const { return *store_; }

 private:
  void add(const Setting& setting, int64_t seed, double chance) {
    RunRecord run;
    run.recipe = setting.recipe;
    run.recipe.replace(run.recipe.find("seed = 1"), 8, fmt::format("seed = {}", seed));
    run.identity = sha256(run.recipe);
    run.method = setting.method;
    run.method_version = 1;
    run.model = setting.model;
    run.dataset = setting.dataset;
    run.dataset_fingerprint = "f00d";
    run.preprocessing = "mean 0.5";
    run.seed = static_cast<uint64_t>(seed);
    run.provenance.source_revision = "0123abc";
    run.provenance.cpu = "a CPU";
    run.provenance.threads = 1;
    run = store_->begin(run);
    RunResult result;
    result.top1_fp32 = 0.92;
    result.top1_shipped = result.top1_simulated =
        std::round(1e4 * (0.92 - 0.1 / setting.bits - 0.01 * chance)) / 1e4;
    result.test_samples = 10000;
    result.size_bytes = 34000 * setting.bits;
    result.weight_bits_average = setting.bits;
    result.activation_bits_average = 8;
    result.total_seconds = 60;
    const LatencyRow latency{"package", "integer fused",     "engine avx2", "AVX2", 1,
                             1,         0.2 + 0.01 * chance, 0.19,          0.25,   100};
    const SiteRow site{"conv1.weight",    "weight", static_cast<double>(setting.bits), 432, 1,
                       1 << setting.bits, "uniform"};
    store_->finish(run.id, RunStatus::Ok, "", result, {site}, {latency}, {}, {});
  }

  std::filesystem::path folder_;
  std::unique_ptr<Store> store_;
};

const Store& store() {
  static const FullStore full;
  return full.store();
}

void page(benchmark::State& state) {
  const Store& runs = store();
  size_t bytes = 0;
  for (auto _ : state) bytes = leaderboard_html(runs, {}).size();
  state.counters["bytes"] = static_cast<double>(bytes);
}

void table(benchmark::State& state) {
  const Store& runs = store();
  for (auto _ : state) {
    const Board board = read_board(runs);
    benchmark::DoNotOptimize(board_grids(runs, board, board_entries(board), {}));
  }
}

void comparison(benchmark::State& state) {
  const Store& runs = store();
  for (auto _ : state) {
    std::vector<std::vector<Candidate>> sides;
    for (const char* method : {"hawq", "uniform"}) {
      Selection selection;
      selection.method = method;
      selection.keys = {{"train.lr", {"0.001"}}};
      sides.push_back(select_candidates(runs, selection, method));
    }
    benchmark::DoNotOptimize(compare(runs, sides, {}));
  }
}

BENCHMARK(page)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(table)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(comparison)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace quantbench

BENCHMARK_MAIN();
