#include "results/replays.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "results/contract.h"
#include "results/contract_rows.h"
#include "results/sqlite.h"
#include "results/statistics/statistics.h"
#include "results/tables/csv.h"
#include "results/tables/grid.h"

namespace quantbench {
namespace {

constexpr double kRounding = 1e-9;

double top1_of(const RunResult& result) {
  return result.top1_shipped ? *result.top1_shipped : result.top1_simulated.value_or(NAN);
}

// The store's newest run of that configuration, seed, version and data that is over; 0: none.
int64_t newest_like(const Store& store, const RunRecord& run) {
  const auto configuration =
      row_with(store.connection(), "configurations", configuration_digest(run.recipe));
  if (!configuration) return 0;
  Statement query = store.connection().prepare(
      "SELECT id FROM runs WHERE configuration = ? AND seed = ? AND method_version = ? AND "
      "dataset_fingerprint = ? AND uid <> ? AND status IN ('ok', 'mistrusted', 'failed') "
      "ORDER BY started DESC, id DESC LIMIT 1");
  query.bind(*configuration, static_cast<int64_t>(run.seed), run.method_version,
             run.dataset_fingerprint, run.uid);
  return query.step() ? query.integer() : 0;
}

bool is_exact(const RunResult& a, const RunResult& b) {
  return !a.weights_hash.empty() && a.weights_hash == b.weights_hash &&
         a.package_hash == b.package_hash && a.predictions_hash == b.predictions_hash;
}

// Whether the value could be one seed more of those.
bool is_one_more(double top1, const std::vector<double>& seeds) {
  const Summary summary = summarize(seeds);
  if (summary.n < 2) return false;
  // The interval is of the mean; of one more value it is sqrt(1 + 1/n) for sqrt(1/n) as wide.
  const double reach =
      (mean_interval(summary).high - summary.mean) * std::sqrt(static_cast<double>(summary.n) + 1);
  return std::abs(top1 - summary.mean) <= reach + kRounding;
}

std::string percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.2f}", 100 * share) : "-";
}

nlohmann::ordered_json json_of(const Replay& r) {
  const auto finite = [](double v) {
    return std::isfinite(v) ? nlohmann::ordered_json(v) : nlohmann::ordered_json(nullptr);
  };
  return {{"kind", name_of(r.kind)},
          {"run", r.run},
          {"reference", r.reference},
          {"what", r.what},
          {"status", r.status},
          {"top1", finite(r.top1)},
          {"reference_top1", finite(r.reference_top1)}};
}

std::string csv_of(const std::vector<Replay>& replays) {
  std::string out = "kind,run,reference,what,status,top1,reference_top1\n";
  for (const Replay& replay : replays) {
    std::vector<std::string> fields;
    for (const auto& value : json_of(replay))
      fields.push_back(csv_field(value.is_string() ? value.get<std::string>()
                                 : value.is_null() ? ""
                                                   : value.dump()));
    out += fmt::format("{}\n", fmt::join(fields, ","));
  }
  return out;
}

}  // namespace

const char* name_of(Replay::Kind kind) {
  static constexpr const char* names[] = {"exact", "within noise", "different"};
  return names[static_cast<size_t>(kind)];
}

Replay::Kind replayed(const RunResult& before, const RunResult& now) {
  if (is_exact(before, now)) return Replay::Kind::Exact;
  const double a = top1_of(before), b = top1_of(now);
  const auto samples = static_cast<double>(std::max<int64_t>(before.test_samples.value_or(0), 1));
  const double noise = 2 * std::sqrt((a * (1 - a) + b * (1 - b)) / samples);
  return std::abs(a - b) <= noise + kRounding ? Replay::Kind::WithinNoise : Replay::Kind::Different;
}

std::vector<Replay> replays(const Store& store, const Store& reference) {
  const std::vector<RunRecord> all = reference.runs();
  std::map<std::string, std::vector<double>> seeds;  // by configuration
  std::map<int64_t, RunResult> results;
  for (const RunRecord& run : all) {
    results[run.id] = reference.result(run.id);
    seeds[configuration_digest(run.recipe)].push_back(top1_of(results[run.id]));
  }
  std::vector<Replay> out;
  for (const RunRecord& run : all) {
    const int64_t id = newest_like(store, run);
    if (id == 0) continue;
    const RunRecord again = store.run(id);
    const RunResult result = store.result(id), &there = results[run.id];
    Replay replay;
    replay.run = id;
    replay.reference = run.uid;
    const std::string settings = settings_of(run.recipe, run.method);
    replay.what = fmt::format("{} on {} / {}, seed {}{}{}", run.method, run.model, run.dataset,
                              run.seed, settings.empty() ? "" : ", ", settings);
    replay.status = name_of(again.status);
    replay.top1 = top1_of(result);
    replay.reference_top1 = top1_of(there);
    if (again.status == RunStatus::Ok) {
      replay.kind = replayed(there, result);
      if (replay.kind == Replay::Kind::Different &&
          is_one_more(replay.top1, seeds[configuration_digest(run.recipe)]))
        replay.kind = Replay::Kind::WithinNoise;
    }
    out.push_back(std::move(replay));
  }
  std::sort(out.begin(), out.end(), [](const Replay& a, const Replay& b) { return a.run < b.run; });
  return out;
}

std::string render_replays(const std::vector<Replay>& replays, const std::string& format,
                           size_t width) {
  if (format == "csv") return csv_of(replays);
  if (format == "json") {
    auto out = nlohmann::ordered_json::array();
    for (const Replay& replay : replays) out.push_back(json_of(replay));
    return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  std::map<Replay::Kind, int64_t> counts;
  Grid grid;
  grid.title = "Runs of the store against the reference";
  grid.columns = {{"run", true},
                  {"what", false, true},
                  {"top-1 %", true},
                  {"reference %", true},
                  {"verdict", false}};
  for (const Replay& r : replays) {
    ++counts[r.kind];
    grid.rows.push_back(
        {{{std::to_string(r.run)},
          {r.what},
          {percent(r.top1)},
          {percent(r.reference_top1)},
          {r.status == "ok" ? name_of(r.kind) : fmt::format("{} ({})", name_of(r.kind), r.status)}},
         false});
  }
  std::vector<std::string> words;
  for (const auto& [kind, count] : counts)
    words.push_back(fmt::format("{} {}", count, name_of(kind)));
  grid.notes = {words.empty() ? "The store and the reference have no run in common."
                              : fmt::format("{}.", fmt::join(words, ", "))};
  return render_grid(grid, format, width);
}

bool any_different(const std::vector<Replay>& replays) {
  return std::any_of(replays.begin(), replays.end(),
                     [](const Replay& r) { return r.kind == Replay::Kind::Different; });
}

}  // namespace quantbench
