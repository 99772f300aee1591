#include "bench/runner.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "bench/calibration_set.h"
#include "bench/data_parallel.h"
#include "bench/data_source.h"
#include "bench/follower.h"
#include "bench/fp32_weights.h"
#include "bench/interrupt.h"
#include "bench/model_file.h"
#include "bench/output.h"
#include "bench/plugin.h"
#include "bench/provenance.h"
#include "bench/run_plan.h"
#include "bench/session.h"
#include "methods/method.h"
#include "results/contract.h"
#include "results/contract_rows.h"
#include "results/run_folder.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

// Held while a process works in a run's folder; the kernel lets go of it whatever kills the
// process.
class FolderLock {
 public:
  FolderLock(const fs::path& folder, int64_t run) {
    descriptor_ = ::open((folder / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    require(descriptor_ >= 0, "Cannot write in the folder {} of run {}.", folder.string(), run);
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      fail("Run {} is being computed by another process.", run);
    }
  }
  ~FolderLock() { ::close(descriptor_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

fs::path prepared(const fs::path& store) {
  if (store.has_parent_path()) {
    std::error_code code;
    fs::create_directories(store.parent_path(), code);
    require(!code, "Cannot make the folder {} for the results: {}.", store.parent_path().string(),
            code.message());
  }
  return store;
}

}  // namespace

void find_parts(const RunRecord& run, const fs::path& store) {
  for (const char* kind : {"method", "dataset", "model"})
    find_plugin(kind, recipe_value(run.recipe, std::string(kind) + ".plugin"), store);
  find_model(run.model, store);
}

Runner::Runner(RunnerConfig config)
    : config_(std::move(config)), store_(prepared(config_.store)), display_(config_.quiet) {}

Runner::~Runner() = default;

Recipe recipe_of(const RunRecord& run) {
  std::istringstream in(run.recipe);
  return expand(read_recipe(in, fmt::format("The recipe of run {}", run.id))).at(0);
}

RunRecord Runner::replay(const RunRecord& before) {
  find_parts(before, config_.store);
  std::istringstream in(before.recipe);
  RecipeText text = read_recipe(in, fmt::format("The recipe of run {}", before.id));
  // A plug-in that has changed since makes another run, and what it changed is to be seen.
  for (const char* kind : {"method", "dataset", "model"}) text.erase(std::string(kind) + ".plugin");
  const bool fresh = std::exchange(config_.fresh_baseline, true);
  const RunRecord now = run(expand(text).at(0));
  config_.fresh_baseline = fresh;
  return now;
}

RunRecord Runner::run(const Recipe& recipe) {
  // What cannot be is told before there is a run of it.
  require_processes(recipe, config_.parallel);
  weight_file(recipe, data_root(config_.data), config_.store);
  require_one_kind(recipe);
  const auto dataset = open_dataset(recipe, data_root(config_.data));
  graph_of(recipe, *dataset);
  RunRecord run;
  run.name = recipe.values.text("name");
  run.recipe = recipe.text();
  run.method = recipe.method;
  run.method_version = methods().get(recipe.method).card.version;
  run.model = recipe.model;
  run.dataset = recipe.dataset;
  run.dataset_fingerprint = dataset->fingerprint();
  run.preprocessing = dataset->preprocessing();
  run.seed = recipe.seed;
  run.identity = run_identity(run);
  run.provenance = collect_provenance(config_.device.substr(0, config_.device.find(':')));
  keep_plugin("method", recipe.method, config_.store);
  keep_plugin("dataset", recipe.dataset, config_.store);
  keep_plugin("model", recipe.model, config_.store);
  keep_model(recipe.model, config_.store);
  keep_calibration_list(recipe, config_.store);
  return execute(recipe, store_.begin(run), false);
}

RunRecord Runner::resume(int64_t id) {
  const RunRecord run = store_.run(id);
  require(run.status != RunStatus::Ok && run.status != RunStatus::Mistrusted,
          "Run {} is finished ({}); 'quantbench replay {}' runs it again.", id, name_of(run.status),
          id);
  find_parts(run, config_.store);
  require_processes(recipe_of(run), config_.parallel);
  return execute(recipe_of(run), run, true);
}

void Runner::remove(int64_t id) {
  const fs::path folder = run_folder(config_.store, store_.run(id));
  if (fs::exists(folder)) {
    const FolderLock lock(folder, id);
    store_.remove(id);
  } else {
    store_.remove(id);
  }
  std::error_code code;
  fs::remove_all(folder, code);
  require(!code, "Run {} is removed, but its folder {} is not: {}.", id, folder.string(),
          code.message());
}

RunRecord Runner::execute(const Recipe& recipe, const RunRecord& run, bool resume) {
  const fs::path folder = run_folder(config_.store, run);
  std::error_code code;
  fs::create_directories(folder, code);
  std::unique_ptr<FolderLock> lock;
  try {
    require(!code, "Cannot make the run's folder {}: {}.", folder.string(), code.message());
    lock = std::make_unique<FolderLock>(folder, run.id);
  } catch (const Error& problem) {
    if (!resume) store_.end(run.id, RunStatus::Failed, problem.what());
    throw;
  }
  if (resume) store_.reopen(run.id);
  // What earlier processes spent on epochs; their planning and measuring is done again.
  double earlier_seconds = 0;
  for (const EpochRow& row : store_.epochs(run.id)) earlier_seconds += row.seconds;
  const auto start = std::chrono::steady_clock::now();
  try {
    write_atomically(folder / "recipe.ini", run.recipe);
    const fs::path data = data_root(config_.data);
    const auto dataset = open_dataset(recipe, data);
    require(dataset->fingerprint() == run.dataset_fingerprint,
            "The files of dataset {} have changed since run {} began.", run.dataset, run.id);
    SessionConfig config{
        folder,
        data,
        config_.device,
        config_.checkpoint_seconds,
        [&](const EpochRow& row) { store_.add_epochs(run.id, {row}); },
        weight_file(recipe, data, config_.store),
        config_.fresh_baseline ? fs::path() : store_folder(config_.store) / "baselines",
        run.uid,
        calibration_list(recipe, config_.store),
        config_.parallel};
    if (config_.parallel) call_followers(*config_.parallel, run, config.calibration, resume);
    display_.line(fmt::format("{}Run {}: {} on {} / {}, seed {}", announcement_, run.id, run.method,
                              run.model, run.dataset, run.seed));
    Session session(recipe, *dataset, config, display_);
    SessionResult out = session.run(resume);
    out.result.total_seconds =
        earlier_seconds +
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    double train_seconds = 0;
    for (const EpochRow& row : store_.epochs(run.id)) train_seconds += row.seconds;
    out.result.train_seconds = train_seconds;
    const RunStatus status = out.doubts.empty() ? RunStatus::Ok : RunStatus::Mistrusted;
    for (const std::string& remark : dataset->remarks()) display_.line(remark);
    store_.finish(run.id, status, fmt::format("{}", fmt::join(out.doubts, " ")), out.result,
                  out.sites, out.latencies, out.predictions, out.artefacts);
  } catch (const Interrupted& stop) {
    if (config_.parallel) config_.parallel->leave(stop);
    store_.end(run.id, RunStatus::Interrupted, stop.what());
  } catch (const std::exception& problem) {
    if (config_.parallel) config_.parallel->leave(problem);
    store_.end(run.id, RunStatus::Failed, sentence_of(problem));
  }
  return store_.run(run.id);
}

}  // namespace quantbench
