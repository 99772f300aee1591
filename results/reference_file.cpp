#include "results/reference_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/hexadecimal.h"
#include "base/json.h"
#include "base/safe_name.h"
#include "base/text.h"
#include "results/board.h"
#include "results/contract_rows.h"
#include "results/record_json.h"
#include "results/statistics/statistics.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr int kDeepest = 6;
constexpr size_t kMostRuns = 10000;

// A recipe's canonical text from its keys.
std::string recipe_text(const std::map<std::string, std::string>& keys) {
  std::string out;
  for (const auto& [key, value] : keys) out += key + " = " + value + "\n";
  return out;
}

// Top-1 of the packages, as a share: what the runs of a file are summed up by.
Json accuracy_json(const std::vector<ReferenceRun>& runs) {
  std::vector<double> values;
  for (const ReferenceRun& run : runs) {
    const auto top1 = run.result.top1_shipped ? run.result.top1_shipped : run.result.top1_simulated;
    if (top1) values.push_back(*top1);
  }
  const Summary summary = summarize(values);
  const auto share = [](double value) {
    return std::isfinite(value) ? Json(std::round(1e8 * value) / 1e8) : Json(nullptr);
  };
  return {{"n", summary.n}, {"mean", share(summary.mean)}, {"std", share(summary.std)}};
}

// The system is named by its distribution; its kernel's build says more of a place than of a
// number.
Provenance without_kernel(Provenance provenance) {
  provenance.os = provenance.os.substr(0, provenance.os.find(','));
  return provenance;
}

// The keys of a canonical recipe that the runs of a configuration have in common.
std::map<std::string, std::string> common_keys(const RunRecord& run) {
  return recipe_lines(without_seed(run.recipe));
}

// `value` as an element of `list`, which gets it where it is new: its place.
size_t place_in(Json& list, const Json& value) {
  const auto found = std::find(list.begin(), list.end(), value);
  if (found != list.end()) return static_cast<size_t>(found - list.begin());
  list.push_back(value);
  return list.size() - 1;
}

std::map<std::string, std::string> recipe_keys(const JsonFields& fields) {
  std::map<std::string, std::string> out;
  const JsonFields recipe(fields.at("recipe"), fields.what() + ", recipe");
  for (const auto& [key, ignored] : fields.at("recipe").items()) {
    out[key] = recipe.text(key);
    require(!key.empty() && key.find_first_of("=\n\r ") == std::string::npos &&
                out[key].find_first_of("\n\r") == std::string::npos,
            "{}: the recipe's key '{}' is no line of a recipe.", fields.what(),
            printable_line(key));
  }
  require(out.count("seed") == 0, "{}: the recipe has a seed, which its runs have.", fields.what());
  for (const char* part : {"method", "model", "dataset"})
    require(out.count(part) == 1 && out[part] == fields.text(part),
            "{}: '{}' and the recipe's differ.", fields.what(), part);
  return out;
}

// What the runs of a file have in common.
RunRecord common_record(const JsonFields& fields) {
  RunRecord out;
  for (const auto& [key, field] :
       {std::pair{"method", &RunRecord::method}, std::pair{"model", &RunRecord::model},
        std::pair{"dataset", &RunRecord::dataset}}) {
    out.*field = fields.text(key);
    require(is_safe_name(out.*field), "{}: '{}' cannot be the name of a {}.", fields.what(),
            printable_line(out.*field), key);
  }
  out.method_version = static_cast<int>(fields.integer("method_version", 0, 1 << 30));
  out.preprocessing = fields.text("preprocessing");
  out.name = fields.text("name");
  out.status = RunStatus::Ok;
  out.tags = {"reference"};
  return out;
}

uint64_t seed_of(const JsonFields& fields) {
  const nlohmann::json& value = fields.at("seed");
  require(value.is_number_unsigned(), "{}: 'seed' is not an integer from 0 to 2^64 - 1.",
          fields.what());
  return value.get<uint64_t>();
}

std::string time_of(const JsonFields& fields, const char* key) {
  std::string out = fields.text(key);
  require(seconds_of(out) >= 0, "{}: '{}' is not a time such as 2026-01-31T03:00:00Z.",
          fields.what(), key);
  return out;
}

template <typename Value>
const Value& element(const std::vector<Value>& list, const JsonFields& fields, const char* key) {
  const auto most = static_cast<int64_t>(list.size()) - 1;
  require(most >= 0, "{}: there is no {} for it.", fields.what(), key);
  return list[static_cast<size_t>(fields.integer(key, 0, most))];
}

}  // namespace

std::string reference_name(const RunRecord& run) {
  return fmt::format("{}_{}_{}_{:.12}.json", safe_name(run.method, "method"),
                     safe_name(run.model, "model"), safe_name(run.dataset, "dataset"),
                     configuration_digest(run.recipe));
}

std::string reference_text(std::vector<ReferenceRun> runs) {
  require(!runs.empty(), "A reference file of no runs cannot be written.");
  std::sort(runs.begin(), runs.end(), [](const ReferenceRun& a, const ReferenceRun& b) {
    return a.record.seed < b.record.seed;
  });
  const RunRecord& first = runs.front().record;
  const auto keys = common_keys(first);
  Json out;
  out["reference"] = kVersion;
  out["name"] = valid_utf8(first.name);
  out["method"] = first.method;
  out["method_version"] = first.method_version;
  out["model"] = first.model;
  out["dataset"] = first.dataset;
  out["preprocessing"] = valid_utf8(first.preprocessing);
  out["configuration"] = configuration_digest(first.recipe);
  out["accuracy"] = accuracy_json(runs);
  double seconds = 0;
  for (const ReferenceRun& run : runs) seconds += run.result.total_seconds.value_or(0);
  out["machine_hours"] = std::round(1e6 * seconds / 3600) / 1e6;
  out["recipe"] = keys;
  Json contracts = Json::array(), provenances = Json::array(), list = Json::array();
  for (const ReferenceRun& run : runs) {
    const RunRecord& r = run.record;
    require(common_keys(r) == keys && r.method_version == first.method_version,
            "Runs {} and {} are not of one configuration.", first.uid, r.uid);
    Json line{{"seed", r.seed},
              {"uid", r.uid},
              {"started", r.started},
              {"finished", r.finished},
              {"dataset_fingerprint", r.dataset_fingerprint}};
    line.update(result_json(run.result));
    line["contract"] = place_in(contracts, contract_json(run.contract));
    line["provenance"] = place_in(provenances, provenance_json(without_kernel(r.provenance)));
    Json& latencies = line["latencies"] = Json::array();
    for (const LatencyRow& row : run.latencies) latencies.push_back(latency_json(row));
    list.push_back(std::move(line));
  }
  out["contracts"] = std::move(contracts);
  out["provenances"] = std::move(provenances);
  out["runs"] = std::move(list);
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<ReferenceRun> parse_reference(std::string_view text, const std::string& what) {
  const nlohmann::json json = parse_json(text, what, kDeepest);
  const JsonFields fields(json, what);
  const int64_t version = fields.integer("reference", 1, 1 << 30);
  require(version == kVersion, "{} is of version {}; this program reads version {}.", what, version,
          kVersion);
  const RunRecord common = common_record(fields);
  const auto keys = recipe_keys(fields);
  require(fields.hash("configuration") == configuration_digest(recipe_text(keys)),
          "{}: its recipe does not have the digest that 'configuration' says.", what);
  fields.number("machine_hours");

  std::vector<Contract> contracts;
  for (const auto& one : fields.list("contracts", kMostRuns))
    contracts.push_back(contract_of(JsonFields(one, what + ", contracts")));
  std::vector<Provenance> provenances;
  for (const auto& one : fields.list("provenances", kMostRuns))
    provenances.push_back(provenance_of(JsonFields(one, what + ", provenances")));

  std::vector<ReferenceRun> out;
  std::set<std::string> uids;
  std::set<uint64_t> seeds;
  for (const auto& one : fields.list("runs", kMostRuns)) {
    const JsonFields line(one, fmt::format("{}, run {}", what, out.size()));
    ReferenceRun run{common, result_of(line), element(contracts, line, "contract"), {}};
    RunRecord& r = run.record;
    r.provenance = element(provenances, line, "provenance");
    r.seed = seed_of(line);
    r.uid = line.text("uid");
    require(is_hexadecimal(r.uid, 32), "{}: 'uid' is not 32 hexadecimal digits.", line.what());
    require(uids.insert(r.uid).second && seeds.insert(r.seed).second,
            "{}: its seed or uid is that of another run, too.", line.what());
    r.started = time_of(line, "started");
    r.finished = time_of(line, "finished");
    r.dataset_fingerprint = line.hash("dataset_fingerprint");
    auto own = keys;
    own["seed"] = std::to_string(r.seed);
    r.recipe = recipe_text(own);
    r.identity = run_identity(r);
    for (const auto& latency : line.list("latencies", 100))
      run.latencies.push_back(latency_of(JsonFields(latency, line.what() + ", latencies")));
    out.push_back(std::move(run));
  }
  require(!out.empty(), "{} has no runs.", what);
  require(nlohmann::json(accuracy_json(out)) == fields.at("accuracy"),
          "{}: 'accuracy' is not what its runs have ({}).", what, accuracy_json(out).dump());
  return out;
}

}  // namespace quantbench
