#include "bench/run_plan.h"

#include "base/error.h"
#include "bench/fp32_weights.h"
#include "bench/progress.h"
#include "bench/session.h"
#include "datasets/dataset.h"
#include "results/contract.h"
#include "results/contract_rows.h"
#include "results/sqlite.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

std::optional<double> mean_seconds(const Store& store, const std::string& where,
                                   const std::vector<std::string>& values) {
  Statement query = store.connection().prepare(
      "SELECT avg(s.total_seconds) FROM runs r JOIN results s ON s.run = r.id "
      "JOIN configurations c ON c.id = r.configuration WHERE " +
      where);
  for (const std::string& value : values) query.bind(value);
  return query.step() ? query.maybe_real() : std::nullopt;
}

std::optional<double> expected_seconds(const Store& store, const Recipe& recipe) {
  const auto own = mean_seconds(store, "c.sha256 = ?", {configuration_digest(recipe.canonical())});
  if (own) return own;
  return mean_seconds(store, "r.method = ? AND r.model = ? AND r.dataset = ?",
                      {recipe.method, recipe.model, recipe.dataset});
}

// The keys in which the recipes differ.
std::set<std::string> swept_keys(const std::vector<Recipe>& recipes) {
  std::map<std::string, std::set<std::string>> values;
  for (const Recipe& recipe : recipes)
    for (const auto& [key, value] : recipe_lines(recipe.canonical())) values[key].insert(value);
  std::set<std::string> out;
  for (const auto& [key, all] : values)
    if (all.size() > 1) out.insert(key);
  return out;
}

std::string swept_of(const Recipe& recipe, const std::set<std::string>& keys) {
  std::string out;
  for (const auto& [key, value] : recipe_lines(recipe.canonical()))
    if (keys.count(key)) out += fmt::format("{}{}={}", out.empty() ? "" : " ", key, value);
  return out;
}

}  // namespace

RunPlan plan_runs(const std::vector<Recipe>& recipes, const Store* store, const fs::path& data_root,
                  const fs::path& store_path) {
  const std::set<std::string> keys = swept_keys(recipes);
  RunPlan out;
  for (const Recipe& recipe : recipes) {
    const DatasetEntry& dataset = datasets().get(recipe.dataset);
    const std::string missing = dataset.missing ? dataset.missing(data_root) : "";
    if (!missing.empty()) out.obstacles.insert(recipe.dataset + ": " + missing);
    try {
      require_one_kind(recipe);
      weight_file(recipe, data_root, store_path);
    } catch (const Error& problem) {
      out.obstacles.insert(problem.what());
    }
    out.runs.push_back(
        {&recipe, swept_of(recipe, keys), store ? expected_seconds(*store, recipe) : std::nullopt});
  }
  return out;
}

std::optional<double> total_seconds(const RunPlan& plan) {
  double known = 0;
  int64_t count = 0;
  for (const PlannedRun& run : plan.runs) {
    if (!run.seconds) continue;
    known += *run.seconds;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return known / static_cast<double>(count) * static_cast<double>(plan.runs.size());
}

std::string plan_text(const RunPlan& plan) {
  std::string out;
  for (size_t i = 0; i < plan.runs.size(); ++i) {
    const PlannedRun& run = plan.runs[i];
    out += fmt::format("{:>4} of {}: {} on {} / {}, seed {}{}{}\n", i + 1, plan.runs.size(),
                       run.recipe->method, run.recipe->model, run.recipe->dataset, run.recipe->seed,
                       run.swept.empty() ? "" : ": " + run.swept,
                       run.seconds ? ", about " + duration_text(*run.seconds) : "");
  }
  const auto seconds = total_seconds(plan);
  out += fmt::format("{} run(s), {}\n", plan.runs.size(),
                     seconds ? "about " + duration_text(*seconds) + " in all, as earlier runs took"
                             : "of unknown duration: the store has none of their kind");
  for (const std::string& sentence : plan.obstacles) out += "obstacle: " + sentence + "\n";
  return out;
}

}  // namespace quantbench
