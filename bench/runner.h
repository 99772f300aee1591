// Takes one recipe to a stored result: data, network, FP32 weights, the method's moments, package,
// accuracy on both sides, size, latency. Whatever happens, the run ends in the store with a status.
#pragma once

#include <filesystem>

#include "bench/progress.h"
#include "bench/recipe.h"
#include "results/store.h"

namespace quantbench {

class DataParallel;

struct RunnerConfig {
  std::filesystem::path store = "runs/quantbench.db";
  std::string data;  // the data root, "" for the usual ones
  std::string device = "cpu";
  double checkpoint_seconds = 60;
  bool quiet = false;
  bool fresh_baseline = false;       // train the FP32 network whatever baselines/ holds
  DataParallel* parallel = nullptr;  // several processes train; this one leads (follower.h)
};

class Runner {
 public:
  explicit Runner(RunnerConfig config);
  ~Runner();

  // Runs `recipe`; returns the run as stored. Problems of the run itself become its status; only
  // those that leave no run behind (a missing dataset, a broken store) are thrown.
  RunRecord run(const Recipe& recipe);

  // Goes on with a run that was killed, interrupted or failed. Throws Error when the run is
  // finished or another process is at it.
  RunRecord resume(int64_t id);

  // Runs the recipe of `before` again, with the plug-in that it had where that can be found, and
  // its FP32 network trained anew.
  RunRecord replay(const RunRecord& before);

  // Takes a run out of the store and removes its files. Throws Error when a process is at it.
  void remove(int64_t id);

  // Stands before the line that announces each run: "[2 of 4] ".
  void announce(std::string text) { announcement_ = std::move(text); }

  Store& store() { return store_; }

 private:
  RunRecord execute(const Recipe& recipe, const RunRecord& run, bool resume);

  RunnerConfig config_;
  Store store_;
  ProgressDisplay display_;
  std::string announcement_;
};

// What the recipe of a stored run needs beside the program: plug-ins, and a network from a file.
void find_parts(const RunRecord& run, const std::filesystem::path& store);

// The recipe of a stored run.
Recipe recipe_of(const RunRecord& run);

}  // namespace quantbench
