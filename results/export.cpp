#include "results/export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <set>

#include "results/contract.h"
#include "results/run_json.h"
#include "results/tables/csv.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

Json run_json(const Store& store, const RunRecord& run) {
  Json out = summary_json(run, store.result(run.id));
  out["uid"] = run.uid;
  out["settings"] = settings_of(run.recipe, run.method);
  Json package;  // its first timing; the keys are there without one, too
  for (const Json& row : latencies_json(store, run.id))
    if (package.is_null() && row.at("subject") == "package") package = row;
  const std::pair<const char*, const char*> timings[] = {
      {"latency_kind", "kind"},
      {"latency_threads", "threads"},
      {"latency_batch", "batch"},
      {"latency_median_ms", "median_ms"},
      {"latency_p50_ms", "p50_ms"},
      {"latency_p90_ms", "p90_ms"},
      {"latency_p99_ms", "p99_ms"},
      {"offline_batch", "offline_batch"},
      {"offline_per_second", "offline_per_second"}};
  for (const auto& [name, key] : timings)
    out[name] = package.is_null() ? Json(nullptr) : package.at(key);
  return out;
}

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string export_csv(const Store& store, const RunFilter& filter) {
  const std::vector<RunRecord> runs = store.runs(filter);
  std::set<std::string> options;  // of all recipes: a column each
  for (const RunRecord& run : runs)
    for (const auto& [key, value] : recipe_lines(run.recipe)) options.insert(key);
  std::string out;
  for (const RunRecord& run : runs) {
    Json row = run_json(store, run);
    row.update(contract_json(store, run.id));
    const auto recipe = recipe_lines(run.recipe);
    for (const std::string& key : options) {
      const auto found = recipe.find(key);
      row["recipe." + key] = found == recipe.end() ? "" : found->second;
    }
    std::vector<std::string> names, fields;
    for (const auto& [key, value] : row.items()) {
      names.push_back(csv_field(key));
      fields.push_back(csv_field(text_of(value)));
    }
    if (out.empty()) out = fmt::format("{}\n", fmt::join(names, ","));
    out += fmt::format("{}\n", fmt::join(fields, ","));
  }
  return out;
}

std::string export_json(const Store& store, const RunFilter& filter) {
  std::string out = "[";
  for (const RunRecord& run : store.runs(filter)) {
    Json row = run_json(store, run);
    row["contract"] = contract_json(store, run.id);
    row["recipe"] = recipe_lines(run.recipe);
    out +=
        (out.size() == 1 ? "\n" : ",\n") + row.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return out + "\n]\n";
}

}  // namespace quantbench
