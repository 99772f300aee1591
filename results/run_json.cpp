#include "results/run_json.h"

#include "results/compare/candidate.h"
#include "results/record_json.h"
#include "results/sqlite.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string partial_note(const RunResult& result) {
  for (const auto& [name, value] : result.figures)
    if (name == "test_share" && value < 1)
      return fmt::format("; {:.1f} % of the test split", 100 * value);
  return "";
}

Json summary_json(const RunRecord& run, const RunResult& r) {
  Json out{{"id", run.id},
           {"identity", run.identity},
           {"repetition", run.repetition},
           {"method", run.method},
           {"method_version", run.method_version},
           {"model", run.model},
           {"dataset", run.dataset},
           {"seed", run.seed},
           {"status", name_of(run.status)},
           {"reason", run.reason},
           {"started", run.started},
           {"finished", run.finished}};
  out.update(result_json(r));
  out.update(Json{{"dataset_fingerprint", run.dataset_fingerprint},
                  {"preprocessing", run.preprocessing},
                  {"folder", run.folder},
                  {"name", run.name},
                  {"tags", run.tags}});
  return out;
}

Json contract_json(const Store& store, int64_t run) {
  Statement query = store.connection().prepare("SELECT contract FROM results WHERE run = ?");
  query.bind(run);
  const auto id = query.step() ? query.maybe_integer() : std::nullopt;
  Json out = contract_json(id ? contract_row(store, *id) : Contract());
  out["plugin"] = recipe_value(store.run(run).recipe, "method.plugin");
  return out;
}

Json latencies_json(const Store& store, int64_t run) {
  Json out = Json::array();
  for (const LatencyRow& row : store.latencies(run)) out.push_back(latency_json(row));
  return out;
}

Json details_json(const Store& store, int64_t id) {
  const RunRecord run = store.run(id);
  Json out = summary_json(run, store.result(id));
  out["recipe"] = run.recipe;
  out["provenance"] = provenance_json(run.provenance);
  out["plugin"] = recipe_value(run.recipe, "method.plugin");
  out["contract"] = contract_json(store, id);
  Json& sites = out["sites"] = Json::array();
  for (const SiteRow& s : store.sites(id))
    sites.push_back({{"name", s.name},
                     {"kind", s.kind},
                     {"bits", s.bits},
                     {"elements", s.elements},
                     {"macs", s.macs},
                     {"levels", s.levels},
                     {"encoding", s.encoding}});
  Json& epochs = out["epochs"] = Json::array();
  for (const EpochRow& e : store.epochs(id))
    epochs.push_back({{"stage", e.stage},
                      {"epoch", e.epoch},
                      {"train_loss", e.train_loss},
                      {"train_top1", e.train_top1},
                      {"validation_loss", e.validation_loss},
                      {"validation_top1", e.validation_top1},
                      {"learning_rate", e.learning_rate},
                      {"seconds", e.seconds}});
  out["latencies"] = latencies_json(store, id);
  out["artefacts"] = store.artefacts(id);
  return out;
}

}  // namespace quantbench
