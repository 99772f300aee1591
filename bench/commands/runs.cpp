#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "base/nearest.h"
#include "bench/commands/commands.h"
#include "bench/reference_folder.h"
#include "bench/terminal.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "models/model.h"
#include "results/contract.h"
#include "results/run_folder.h"
#include "results/run_json.h"
#include "results/sqlite.h"
#include "results/tables/grid.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.2f}", 100 * *share) : "-";
}

template <typename T>
std::string number(const std::optional<T>& value, const char* format = "{}") {
  return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

}  // namespace

namespace {

// Where the FP32 weights of a run came from.
std::string fp32_source(const Store& store, int64_t run) {
  const auto artefacts = store.artefacts(run);
  const auto found = artefacts.find("fp32.json");
  if (found == artefacts.end()) return "";
  const auto json = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "";
  const auto text = [&](const char* key) {
    const auto value = json.find(key);
    return value != json.end() && value->is_string() ? value->get<std::string>() : std::string();
  };
  // A run's number, where the store has it; its uid else.
  const auto run_name = [&](const std::string& uid) {
    Statement query = store.connection().prepare("SELECT id FROM runs WHERE uid = ?");
    query.bind(uid);
    return query.step() ? fmt::format("run {}", query.integer()) : "run " + uid;
  };
  std::string out = "  FP32 weights     ";
  if (text("source") == "baseline")
    return out + fmt::format("baselines/{}, trained by {}\n", text("file"), run_name(text("run")));
  std::string from = text("weights");
  if (from.rfind("run:", 0) == 0) from = "the package of " + run_name(from.substr(4));
  if (text("source") == "weights")
    return out + fmt::format("{}, SHA-256 {}\n", from, text("sha256"));
  return out + fmt::format("trained in this run{}\n", from.empty() ? "" : ", from " + from);
}

// The ONNX files beside the package, and what came of trying them.
std::string onnx_files(const Store& store, int64_t run, const std::filesystem::path& folder) {
  const auto artefacts = store.artefacts(run);
  const auto found = artefacts.find("onnx.json");
  if (found == artefacts.end()) return "";
  const auto json = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  std::string out;
  if (!json.is_array()) return out;
  for (const auto& file : json) {
    const auto text = [&](const char* key) {
      return file.is_object() && file.contains(key) && file.at(key).is_string()
                 ? file.at(key).get<std::string>()
                 : std::string();
    };
    out += fmt::format("  {:<16} {}\n{:19}{}\n", text("kind"), (folder / text("file")).string(), "",
                       text("check"));
  }
  return out;
}

std::string epochs_of(const Store& store, int64_t run) {
  Statement query = store.connection().prepare("SELECT count(*) FROM epochs WHERE run = ?");
  query.bind(run).step();
  return std::to_string(query.integer());
}

}  // namespace

Store existing_store(const Arguments& arguments) {
  require(std::filesystem::exists(arguments.runner.store),
          "There is no results database {} yet; 'quantbench run' makes one, --store names another.",
          arguments.runner.store.string());
  return store_at(arguments.runner.store);
}

void check_filter(const Store& store, const RunFilter& filter) {
  const std::tuple<const char*, const std::string&, std::vector<std::string>> wanted[] = {
      {"method", filter.method, methods().names()},
      {"model", filter.model, models().names()},
      {"dataset", filter.dataset, datasets().names()}};
  for (const auto& [column, value, registered] : wanted) {
    if (value.empty()) continue;
    std::vector<std::string> known = registered;
    Statement query =
        store.connection().prepare(fmt::format("SELECT DISTINCT {} FROM runs", column));
    while (query.step()) known.push_back(query.text());
    require(std::find(known.begin(), known.end(), value) != known.end(),
            "There is no {} '{}', neither here nor in the store{}", column, value,
            nearest_name(value, known).empty() ? "." : did_you_mean(value, known));
  }
}

int runs_command(const Arguments& arguments) {
  const Store store = existing_store(arguments);
  check_filter(store, arguments.filter);
  Grid grid;
  grid.columns = {{"run", true},
                  {"status", false, true},
                  {"method", false, true},
                  {"model", false, true},
                  {"dataset", false, true},
                  {"seed", true},
                  {"W/A"},
                  {"epochs", true},
                  {"fp32", true},
                  {"simul.", true},
                  {"shipped", true},
                  {"bytes", true},
                  {"date"},
                  {"name", false, true}};
  Json out = Json::array();
  for (const RunRecord& run : store.runs(arguments.filter)) {
    const RunResult r = store.result(run.id);
    if (arguments.json) {
      out.push_back(summary_json(run, r));
      continue;
    }
    std::string name = run.name;
    for (const std::string& tag : run.tags) name += (name.empty() ? "#" : " #") + tag;
    grid.rows.push_back({{{std::to_string(run.id)},
                          {name_of(run.status)},
                          {run.method},
                          {run.model},
                          {run.dataset},
                          {std::to_string(run.seed)},
                          {number(r.weight_bits_average, "{:.3g}") + "/" +
                           number(r.activation_bits_average, "{:.3g}")},
                          {epochs_of(store, run.id)},
                          {percent(r.top1_fp32)},
                          {percent(r.top1_simulated)},
                          {percent(r.top1_shipped) + partial_note(r)},
                          {number(r.size_bytes)},
                          {run.started.substr(0, 10)},
                          {name}},
                         false});
  }
  if (!arguments.json) say("{}", render_grid(grid, "text", terminal_width()));
  if (arguments.json)
    say("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  return 0;
}

int show_command(const Arguments& arguments) {
  const int64_t id = run_operand(arguments);
  const Store store = existing_store(arguments);
  if (arguments.json) {
    Json details = details_json(store, id);
    details["folder"] = run_folder(arguments.runner.store, store.run(id)).string();
    say("{}\n", details.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  const RunRecord run = store.run(id);
  const RunResult r = store.result(id);
  say("run {} ({}), repetition {} of {:.12}\n", id, name_of(run.status), run.repetition,
      run.identity);
  if (!run.name.empty()) say("  {}\n", run.name);
  if (!run.tags.empty()) say("  tags: {}\n", fmt::join(run.tags, " "));
  if (!run.reason.empty()) say("  {}\n", run.reason);
  say("  {} version {} on {} / {}, seed {}\n", run.method, run.method_version, run.model,
      run.dataset, run.seed);
  say("  started {}, finished {}, {} s in all, {} s training ({} % of it not in steps)\n",
      run.started, run.finished.empty() ? "-" : run.finished, number(r.total_seconds, "{:.1f}"),
      number(r.train_seconds, "{:.1f}"), percent(r.overhead));
  say("\n  top-1 (%)        FP32 {}, simulated {}, shipped {} (of {} test samples{})\n",
      percent(r.top1_fp32), percent(r.top1_simulated), percent(r.top1_shipped),
      number(r.test_samples), partial_note(r));
  say("  size             {} bytes (package file), {} bits of {} parameters (the paper's way)\n",
      number(r.size_bytes), number(r.size_paper_bits), number(r.size_paper_parameters));
  for (const auto& [name, value] : r.figures) say("  {:<16} {:.10g}\n", name, value);
  say("  bits             weights {}, activations {}; {} MACs, {} BOPs, {} % of MACs on integers\n",
      number(r.weight_bits_average, "{:.3f}"), number(r.activation_bits_average, "{:.3f}"),
      number(r.macs), number(r.bops), percent(r.integer_share));
  for (const LatencyRow& l : store.latencies(id)) {
    say("  latency          {} {:.3f} ms ({:.3f}..{:.3f}) for a batch of {} [{}, {}, {}, {} "
        "thread(s)]\n",
        l.subject, l.median_ms, l.low_ms, l.high_ms, l.batch, l.kind, l.engine, l.isa, l.threads);
    if (!l.p50_ms && !l.offline_per_second) continue;
    say("{:19}p50 {}, p90 {}, p99 {} ms{}\n", "", number(l.p50_ms, "{:.3f}"),
        number(l.p90_ms, "{:.3f}"), number(l.p99_ms, "{:.3f}"),
        l.offline_per_second ? fmt::format("; {:.0f} a second in batches of {}",
                                           *l.offline_per_second, l.offline_batch.value_or(0))
                             : "");
  }
  const auto sites = arguments.all ? store.sites(id) : std::vector<SiteRow>();
  if (!sites.empty())
    say("\n  {:<32} {:<10} {:>8} {:>10} {:>12} {:>7}\n", "site", "encoding", "bits", "elements",
        "MACs", "levels");
  for (const SiteRow& s : sites)
    say("  {:<32} {:<10} {:>8.3f} {:>10} {:>12} {:>7}\n", s.name, s.encoding, s.bits, s.elements,
        s.macs, s.levels ? std::to_string(s.levels) : "");
  for (const auto& [name, text] : store.artefacts(id)) {
    if (arguments.all)
      say("\n  {}:\n{}\n", name, text);
    else
      say("  artefact         {}\n", name);
  }
  const Provenance& p = run.provenance;
  say("\n  files            {}\n", run_folder(arguments.runner.store, run).string());
  say("{}", onnx_files(store, id, run_folder(arguments.runner.store, run)));
  say("{}", fp32_source(store, id));
  say("  data             {:.16} ({})\n", run.dataset_fingerprint, run.preprocessing);
  say("  source           {}{}, {}, {}\n", p.source_revision, p.source_dirty ? " (changed)" : "",
      p.compiler, p.build_type);
  const std::string processes = recipe_value(run.recipe, "batch.processes");
  say("  machine          {}, {}, {}{} thread(s), {}, {}\n", p.cpu, p.isa,
      processes.empty() ? "" : processes + " processes of ", p.threads, p.device, p.os);
  say("  BLAS             {}\n", p.blas);
  const std::string plugin = recipe_value(run.recipe, "method.plugin");
  if (!plugin.empty()) say("  plug-in          {} (name, version, SHA-256)\n", plugin);
  say("\n  again            quantbench replay {}{}{}\n", id, context_options(arguments),
      plugin.empty() ? "" : " --plugin=FILE (found by itself while plugins/ has it)");
  if (arguments.all)
    say("\n{}", run.recipe);
  else
    say("  more             quantbench show {} --all: layers, artefacts, recipe\n", id);
  return 0;
}

}  // namespace quantbench
