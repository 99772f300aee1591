#include "results/run_json.h"

#include "results/compare/candidate.h"
#include "results/sqlite.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json figures_json(const std::vector<std::pair<std::string, double>>& figures) {
  Json out = Json::object();
  for (const auto& [name, value] : figures) out[name] = value;
  return out;
}

Json provenance_json(const Provenance& p) {
  return {{"source_revision", p.source_revision},
          {"source_dirty", p.source_dirty},
          {"compiler", p.compiler},
          {"compiler_flags", p.compiler_flags},
          {"build_type", p.build_type},
          {"libraries", p.libraries},
          {"cpu", p.cpu},
          {"gpu", p.gpu},
          {"isa", p.isa},
          {"blas", p.blas},
          {"os", p.os},
          {"threads", p.threads},
          {"device", p.device}};
}

}  // namespace

std::string partial_note(const RunResult& result) {
  for (const auto& [name, value] : result.figures)
    if (name == "test_share" && value < 1)
      return fmt::format("; {:.1f} % of the test split", 100 * value);
  return "";
}

Json summary_json(const RunRecord& run, const RunResult& r) {
  return {{"id", run.id},
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
          {"finished", run.finished},
          {"top1_fp32", optional_json(r.top1_fp32)},
          {"top1_simulated", optional_json(r.top1_simulated)},
          {"top1_shipped", optional_json(r.top1_shipped)},
          {"top5_simulated", optional_json(r.top5_simulated)},
          {"validation_top1", optional_json(r.validation_top1)},
          {"test_loss", optional_json(r.test_loss)},
          {"test_samples", optional_json(r.test_samples)},
          {"size_bytes", optional_json(r.size_bytes)},
          {"size_paper_bits", optional_json(r.size_paper_bits)},
          {"size_paper_parameters", optional_json(r.size_paper_parameters)},
          {"weight_bits_average", optional_json(r.weight_bits_average)},
          {"activation_bits_average", optional_json(r.activation_bits_average)},
          {"macs", optional_json(r.macs)},
          {"bops", optional_json(r.bops)},
          {"integer_share", optional_json(r.integer_share)},
          {"train_seconds", optional_json(r.train_seconds)},
          {"total_seconds", optional_json(r.total_seconds)},
          {"overhead", optional_json(r.overhead)},
          {"figures", figures_json(r.figures)},
          {"weights_hash", r.weights_hash},
          {"package_hash", r.package_hash},
          {"predictions_hash", r.predictions_hash},
          {"dataset_fingerprint", run.dataset_fingerprint},
          {"preprocessing", run.preprocessing},
          {"folder", run.folder},
          {"name", run.name},
          {"tags", run.tags}};
}

Json contract_json(const Store& store, int64_t run) {
  Statement query = store.connection().prepare("SELECT contract FROM results WHERE run = ?");
  query.bind(run);
  const auto id = query.step() ? query.maybe_integer() : std::nullopt;
  const Contract c = id ? contract_row(store, *id) : Contract();
  const std::string plugin = recipe_value(store.run(run).recipe, "method.plugin");
  return {{"baseline", c.baseline},
          {"float_layers", c.float_layers},
          {"eight_bit_layers", c.eight_bit_layers},
          {"activation_bits", c.activation_bits},
          {"calibration_hash", c.calibration_hash},
          {"preprocessing_hash", c.preprocessing_hash},
          {"training_budget", c.training_budget},
          {"plugin", plugin}};
}

Json latencies_json(const Store& store, int64_t run) {
  Json out = Json::array();
  for (const LatencyRow& l : store.latencies(run))
    out.push_back({{"subject", l.subject},
                   {"kind", l.kind},
                   {"engine", l.engine},
                   {"isa", l.isa},
                   {"threads", l.threads},
                   {"batch", l.batch},
                   {"median_ms", l.median_ms},
                   {"low_ms", l.low_ms},
                   {"high_ms", l.high_ms},
                   {"repetitions", l.repetitions},
                   {"p50_ms", optional_json(l.p50_ms)},
                   {"p90_ms", optional_json(l.p90_ms)},
                   {"p99_ms", optional_json(l.p99_ms)},
                   {"offline_batch", optional_json(l.offline_batch)},
                   {"offline_per_second", optional_json(l.offline_per_second)}});
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
