#include "results/compare/candidate.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "results/contract_rows.h"

namespace quantbench {
namespace {

constexpr size_t kMostCandidates = 50;

// "hawq.bits" narrows recipes of HAWQ only: others have no section of that name.
bool is_of_another_part(const std::string& recipe, const std::string& key) {
  const size_t dot = key.find('.');
  if (dot == std::string::npos) return false;
  const std::string section = key.substr(0, dot + 1);
  return recipe.compare(0, section.size(), section) != 0 &&
         recipe.find("\n" + section) == std::string::npos;
}

// The configurations, by id, whose recipes have the keys.
std::vector<int64_t> wanted_configurations(const Store& store, const Selection& selection) {
  const Connection& connection = store.connection();
  // Keys that are columns need no recipe to be read.
  std::string where = "1";
  std::vector<std::string> values;
  for (const auto& [key, allowed] : selection.keys) {
    if (key != "model" && key != "dataset") continue;
    where += " AND r." + key + " IN (?";
    for (size_t i = 1; i < allowed.size(); ++i) where += ",?";
    where += ")";
    values.insert(values.end(), allowed.begin(), allowed.end());
  }
  std::set<int64_t> out;
  const auto collect = [&](Statement query) {
    for (const std::string& value : values) query.bind(value);
    while (query.step()) {
      const int64_t configuration = query.integer();
      const std::string recipe = query.text();
      const bool fits =
          std::all_of(selection.keys.begin(), selection.keys.end(), [&](const auto& wanted) {
            if (is_of_another_part(recipe, wanted.first)) return true;
            const std::string has = recipe_value(recipe, wanted.first);
            return std::count(wanted.second.begin(), wanted.second.end(), has) > 0;
          });
      if (fits) out.insert(configuration);
    }
  };
  const std::string select =
      "SELECT g.configuration, c.text FROM (SELECT r.configuration, min(r.recipe) AS recipe "
      "FROM runs r WHERE " +
      where;
  const std::string one_each = " GROUP BY r.configuration) g JOIN recipes c ON c.id = g.recipe";
  if (!selection.method.empty()) {
    values.push_back(selection.method);
    collect(connection.prepare(select + " AND r.method = ?" + one_each));
  }
  for (const std::string& digest : selection.configurations) {
    const auto id = row_with(connection, "configurations", digest);
    if (!id) continue;
    std::vector<std::string> kept = values;
    values.push_back(std::to_string(*id));
    collect(connection.prepare(select + " AND r.configuration = CAST(? AS INTEGER)" + one_each));
    values = kept;
  }
  return {out.begin(), out.end()};
}

Candidate& candidate_of(std::vector<Candidate>& all, Candidate blank) {
  for (Candidate& c : all)
    if (c.configuration == blank.configuration && c.method_version == blank.method_version)
      return c;
  all.push_back(std::move(blank));
  return all.back();
}

// Adds the runs that `query` gives, newest first.
void add_runs(Statement query, std::vector<Candidate>& out) {
  std::map<std::tuple<int64_t, int, uint64_t>, std::string> unfinished;
  std::set<std::tuple<int64_t, int, uint64_t>> finished;
  while (query.step()) {
    Candidate blank;
    CandidateRun run;
    run.id = query.integer();
    const std::string status = query.text();
    blank.method = query.text();
    blank.method_version = static_cast<int>(query.integer());
    blank.model = query.text();
    blank.dataset = query.text();
    blank.configuration = query.integer();
    run.seed = static_cast<uint64_t>(query.integer());
    run.fingerprint = query.text();
    run.machine = query.text();
    run.top1_fp32 = query.maybe_real();
    run.top1_simulated = query.maybe_real();
    run.top1_shipped = query.maybe_real();
    run.size_bytes = query.maybe_real();
    run.bops = query.maybe_real();
    run.weight_bits = query.maybe_real();
    run.activation_bits = query.maybe_real();
    run.package_ms = query.maybe_real();
    run.test_samples = query.integer();
    run.contract = query.integer();
    const auto key = std::make_tuple(blank.configuration, blank.method_version, run.seed);
    Candidate& candidate = candidate_of(out, std::move(blank));
    if (status != "ok")
      unfinished.emplace(key, status);
    else if (finished.insert(key).second)  // a repetition is no new sample
      candidate.runs.push_back(std::move(run));
  }
  for (const auto& [key, status] : unfinished)
    if (finished.count(key) == 0)
      for (Candidate& c : out)
        if (c.configuration == std::get<0>(key) && c.method_version == std::get<1>(key))
          ++c.left_out[status];
}

void by_seed(std::vector<CandidateRun>& runs) {
  std::sort(runs.begin(), runs.end(),
            [](const CandidateRun& a, const CandidateRun& b) { return a.seed < b.seed; });
}

}  // namespace

std::vector<Candidate> select_candidates(const Store& store, const Selection& selection,
                                         const std::string& what) {
  const std::string select =
      "SELECT r.id, r.status, r.method, r.method_version, r.model, r.dataset, r.configuration, "
      "r.seed, r.dataset_fingerprint, p.cpu || ', ' || p.gpu || ', ' || p.isa || ', ' || p.device, "
      "s.top1_fp32, s.top1_simulated, s.top1_shipped, s.size_bytes, s.bops, s.weight_bits_average, "
      "s.activation_bits_average, (SELECT l.median_ms FROM latencies l WHERE l.run = r.id AND "
      "l.subject = 'package' AND l.median_ms > 0 ORDER BY l.id LIMIT 1), s.test_samples, "
      "s.contract FROM runs r JOIN provenances p ON p.id = r.provenance "
      "LEFT JOIN results s ON s.run = r.id WHERE ";
  std::vector<Candidate> out;
  if (selection.run > 0) {
    require(store.run(selection.run).status == RunStatus::Ok,
            "Run {} has no result to compare: it is {}.", selection.run,
            name_of(store.run(selection.run).status));
    Statement query = store.connection().prepare(select + "r.id = ?");
    query.bind(selection.run);
    add_runs(std::move(query), out);
    return out;
  }
  const std::vector<int64_t> configurations = wanted_configurations(store, selection);
  require(!configurations.empty(), "The store has no run of {}; 'quantbench run' makes one.", what);
  require(configurations.size() <= kMostCandidates,
          "{} has {} configurations in the store, and at most {} are compared at once; narrow them "
          "with keys of their recipes, such as --model=NAME --dataset=NAME.",
          what, configurations.size(), kMostCandidates);
  for (int64_t configuration : configurations) {
    Statement query = store.connection().prepare(
        select + "r.configuration = ? ORDER BY r.started DESC, r.id DESC");
    query.bind(configuration);
    add_runs(std::move(query), out);
  }
  for (Candidate& candidate : out) by_seed(candidate.runs);
  std::stable_sort(out.begin(), out.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.configuration, a.method_version) <
           std::tie(b.configuration, b.method_version);
  });
  return out;
}

std::string configuration_recipe(const Store& store, int64_t configuration) {
  Statement query = store.connection().prepare(
      "SELECT c.text FROM runs r JOIN recipes c ON c.id = r.recipe WHERE r.configuration = ? "
      "LIMIT 1");
  return query.bind(configuration).step() ? query.text() : "";
}

void name_candidates(const Store& store, std::vector<Candidate>& candidates) {
  std::vector<std::map<std::string, std::string>> recipes;
  for (const Candidate& c : candidates) {
    auto keys = recipe_lines(without_seed(configuration_recipe(store, c.configuration)));
    if (keys.count("method.plugin"))
      keys["method.plugin"] = short_plugin("method.plugin = " + keys["method.plugin"]);
    for (const char* known : {"method", "model", "dataset"}) keys.erase(known);
    recipes.push_back(std::move(keys));
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    Candidate& c = candidates[i];
    std::set<std::string> telling;
    bool versions = false;
    for (size_t k = 0; k < candidates.size(); ++k) {
      const Candidate& other = candidates[k];
      if (other.method != c.method || other.model != c.model || other.dataset != c.dataset)
        continue;
      versions = versions || other.method_version != c.method_version;
      for (const auto& [key, value] : recipes[i]) {
        const auto found = recipes[k].find(key);
        if (found == recipes[k].end() || found->second != value) telling.insert(key);
      }
    }
    c.name = c.method + (versions ? fmt::format(" version {}", c.method_version) : "");
    for (const std::string& key : telling) {
      const bool own = key.compare(0, c.method.size() + 1, c.method + ".") == 0;
      c.name +=
          fmt::format(" {}={}", own ? key.substr(c.method.size() + 1) : key, recipes[i].at(key));
    }
  }
}

Contract contract_row(const Store& store, int64_t id) {
  Statement query = store.connection().prepare(
      "SELECT baseline, float_layers, eight_bit_layers, activation_bits, calibration_hash, "
      "preprocessing_hash, training_budget FROM contracts WHERE id = ?");
  require(query.bind(id).step(), "The store has lost the contract {} of a run.", id);
  Contract c;
  for (std::string* field : {&c.baseline, &c.float_layers, &c.eight_bit_layers, &c.activation_bits,
                             &c.calibration_hash, &c.preprocessing_hash, &c.training_budget})
    *field = query.text();
  return c;
}

}  // namespace quantbench
