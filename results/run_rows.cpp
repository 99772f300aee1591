#include "results/run_rows.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "results/contract_rows.h"
#include "results/store_database.h"

namespace quantbench {
namespace {

// Bytes that are not UTF-8 (a compiler's or a CPU's own words) must not stop a run from being kept.
std::string to_text(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

int64_t recipe_id(const Connection& connection, const std::string& recipe) {
  const std::string digest = sha256(recipe);
  if (auto id = row_with(connection, "recipes", digest)) return *id;
  connection.insert("recipes", "sha256, text", digest, recipe);
  return connection.last_id();
}

int64_t provenance_id(const Connection& connection, const Provenance& p) {
  const std::string libraries = to_text(p.libraries);
  const std::string digest =
      sha256(to_text({p.source_revision, p.source_dirty, p.compiler, p.compiler_flags, p.build_type,
                      libraries, p.cpu, p.gpu, p.isa, p.blas, p.os, p.threads, p.device}));
  if (auto id = row_with(connection, "provenances", digest)) return *id;
  connection.insert("provenances",
                    "sha256, source_revision, source_dirty, compiler, compiler_flags, build_type, "
                    "libraries, cpu, gpu, isa, blas, os, threads, device",
                    digest, p.source_revision, p.source_dirty, p.compiler, p.compiler_flags,
                    p.build_type, libraries, p.cpu, p.gpu, p.isa, p.blas, p.os, p.threads,
                    p.device);
  return connection.last_id();
}

int64_t next_repetition(const Connection& connection, const std::string& identity) {
  Statement query =
      connection.prepare("SELECT coalesce(max(repetition) + 1, 0) FROM runs WHERE identity = ?");
  query.bind(identity).step();
  return query.integer();
}

}  // namespace

int64_t insert_run(const Connection& connection, const RunRecord& run) {
  const std::optional<int64_t> number = run.id == 0 ? std::nullopt : std::optional<int64_t>(run.id);
  connection.insert(
      "runs",
      "id, uid, configuration, identity, repetition, status, method, method_version, model, "
      "dataset, dataset_fingerprint, preprocessing, seed, recipe, provenance, started, finished, "
      "folder, reason, name, tags",
      number, run.uid, configuration_id(connection, run.recipe, run.method), run.identity,
      next_repetition(connection, run.identity), name_of(run.status), run.method,
      run.method_version, run.model, run.dataset, run.dataset_fingerprint, run.preprocessing,
      static_cast<int64_t>(run.seed), recipe_id(connection, run.recipe),
      provenance_id(connection, run.provenance), run.started, run.finished, run.folder, run.reason,
      run.name, fmt::format("{}", fmt::join(run.tags, " ")));
  return connection.last_id();
}

void insert_epochs(const Connection& connection, int64_t run, const std::vector<EpochRow>& rows) {
  Statement insert = connection.prepare(
      "INSERT INTO epochs (run, stage, epoch, train_loss, train_top1, validation_loss, "
      "validation_top1, learning_rate, seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (run, stage, epoch) DO UPDATE SET train_loss = excluded.train_loss, "
      "train_top1 = excluded.train_top1, validation_loss = excluded.validation_loss, "
      "validation_top1 = excluded.validation_top1, learning_rate = excluded.learning_rate, "
      "seconds = excluded.seconds");
  for (const EpochRow& row : rows) {
    insert.again()
        .bind(run, row.stage, row.epoch, row.train_loss, row.train_top1, row.validation_loss,
              row.validation_top1, row.learning_rate, row.seconds)
        .run();
  }
}

void insert_result(const Connection& connection, int64_t run, const RunResult& r,
                   const std::vector<SiteRow>& sites) {
  connection.insert("results", std::string("run, ") + kResultColumns, run, r.top1_fp32,
                    r.top1_simulated, r.top1_shipped, r.top5_simulated, r.validation_top1,
                    r.test_loss, r.test_samples, r.size_bytes, r.size_paper_bits,
                    r.size_paper_parameters, r.weight_bits_average, r.activation_bits_average,
                    r.macs, r.bops, r.integer_share, r.train_seconds, r.total_seconds, r.overhead,
                    r.weights_hash, r.package_hash, r.predictions_hash);
  for (const auto& [name, value] : r.figures)
    connection.insert("figures", "run, name, value", run, name, value);
  Statement insert = connection.prepare(
      "INSERT INTO sites (run, name, kind, bits, elements, macs, levels, encoding) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (const SiteRow& row : sites) {
    insert.again()
        .bind(run, row.name, row.kind, row.bits, row.elements, row.macs, row.levels, row.encoding)
        .run();
  }
  add_contract(connection, run);
}

void insert_latencies(const Connection& connection, int64_t run,
                      const std::vector<LatencyRow>& rows) {
  for (const LatencyRow& row : rows) {
    connection.insert("latencies",
                      "run, subject, kind, engine, isa, threads, batch, median_ms, low_ms, "
                      "high_ms, repetitions, p50_ms, p90_ms, p99_ms, offline_batch, "
                      "offline_per_second",
                      run, row.subject, row.kind, row.engine, row.isa, row.threads, row.batch,
                      row.median_ms, row.low_ms, row.high_ms, row.repetitions, row.p50_ms,
                      row.p90_ms, row.p99_ms, row.offline_batch, row.offline_per_second);
  }
}

void insert_artefacts(const Connection& connection, int64_t run,
                      const std::map<std::string, std::string>& artefacts) {
  for (const auto& [name, content] : artefacts)
    connection.insert("artefacts", "run, name, content", run, name, content);
}

}  // namespace quantbench
