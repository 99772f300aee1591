// What a command is about to run, before it does: how long that should take, and what stands in its way.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bench/recipe.h"
#include "results/store.h"

namespace quantbench {

struct PlannedRun {
  const Recipe* recipe = nullptr;
  std::string swept;              // what tells it from the others: "method=uniform weight_bits=4"
  std::optional<double> seconds;  // as earlier runs took, of its configuration or else of its kind
};

struct RunPlan {
  std::vector<PlannedRun> runs;
  // A sentence for each dataset or weight file that is not here, and each model that does not take
  // its dataset.
  std::set<std::string> obstacles;
};

// `store` may be null: then nothing is known of times. `store_path` is where fp32.weights that name
// a run are looked for.
RunPlan plan_runs(const std::vector<Recipe>& recipes, const Store* store,
                  const std::filesystem::path& data_root, const std::filesystem::path& store_path);

// How long all of it should take; absent while no run's time is known.
std::optional<double> total_seconds(const RunPlan& plan);

std::string plan_text(const RunPlan& plan);

}  // namespace quantbench
