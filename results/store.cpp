#include "results/store.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "results/contract_rows.h"
#include "results/schema.h"
#include "results/store_database.h"

namespace quantbench {
namespace {

constexpr std::array<const char*, 5> kStatusNames = {"running", "ok", "mistrusted", "failed",
                                                     "interrupted"};

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&time, &utc);
  std::array<char, 32> text = {};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

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

void set_status(const Connection& connection, int64_t run, RunStatus status,
                const std::string& reason) {
  const std::string finished = status == RunStatus::Running ? "" : now();
  connection.prepare("UPDATE runs SET status = ?, reason = ?, finished = ? WHERE id = ?")
      .bind(name_of(status), reason, finished, run)
      .run();
}

void insert_result(const Connection& connection, int64_t run, const RunResult& r) {
  connection.insert("results", std::string("run, ") + kResultColumns, run, r.top1_fp32,
                    r.top1_simulated, r.top1_shipped, r.top5_simulated, r.validation_top1,
                    r.test_loss, r.test_samples, r.size_bytes, r.size_paper_bits,
                    r.size_paper_parameters, r.weight_bits_average, r.activation_bits_average,
                    r.macs, r.bops, r.integer_share, r.train_seconds, r.total_seconds, r.overhead,
                    r.weights_hash, r.package_hash, r.predictions_hash);
  for (const auto& [name, value] : r.figures)
    connection.insert("figures", "run, name, value", run, name, value);
}

}  // namespace

const char* name_of(RunStatus status) { return kStatusNames[static_cast<size_t>(status)]; }

RunStatus run_status(const std::string& name) {
  const auto found = std::find(kStatusNames.begin(), kStatusNames.end(), name);
  require(found != kStatusNames.end(), "'{}' is not a status of a run; it is one of: {}.", name,
          fmt::join(kStatusNames, ", "));
  return static_cast<RunStatus>(found - kStatusNames.begin());
}

RunStatus Store::Database::status(int64_t run) const {
  Statement query = connection.prepare("SELECT status FROM runs WHERE id = ?");
  require(query.bind(run).step(), "There is no run {} in {}.", run, connection.path());
  return run_status(query.text());
}

Store::Store(const std::filesystem::path& path, Access access)
    : database_(new Database{Connection(
          path, access == Access::Write ? Connection::Access::Write : Connection::Access::Read)}) {
  upgrade(database_->connection);
}

Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

const Connection& Store::connection() const { return database_->connection; }

int Store::schema_version() { return static_cast<int>(migrations().size()); }

std::string Store::sqlite_version() { return Connection::sqlite_version(); }

RunRecord Store::begin(RunRecord run) {
  const Connection& connection = database_->connection;
  Transaction transaction(connection);
  run.repetition = static_cast<int>(next_repetition(connection, run.identity));
  run.status = RunStatus::Running;
  run.reason.clear();
  run.started = now();
  run.finished.clear();
  run.uid = new_uid();
  connection.insert("runs",
                    "uid, configuration, identity, repetition, status, method, method_version, "
                    "model, dataset, dataset_fingerprint, preprocessing, seed, recipe, provenance, "
                    "started, folder, name",
                    run.uid, configuration_id(connection, run.recipe, run.method), run.identity,
                    run.repetition, name_of(run.status), run.method, run.method_version, run.model,
                    run.dataset, run.dataset_fingerprint, run.preprocessing,
                    static_cast<int64_t>(run.seed), recipe_id(connection, run.recipe),
                    provenance_id(connection, run.provenance), run.started, run.folder, run.name);
  run.id = connection.last_id();
  transaction.commit();
  return run;
}

void Store::add_epochs(int64_t run, const std::vector<EpochRow>& rows) {
  const Connection& connection = database_->connection;
  Transaction transaction(connection);
  database_->status(run);
  for (const EpochRow& row : rows) {
    connection
        .prepare(
            "INSERT INTO epochs (run, stage, epoch, train_loss, train_top1, validation_loss, "
            "validation_top1, learning_rate, seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (run, stage, epoch) DO UPDATE SET train_loss = excluded.train_loss, "
            "train_top1 = excluded.train_top1, validation_loss = excluded.validation_loss, "
            "validation_top1 = excluded.validation_top1, learning_rate = excluded.learning_rate, "
            "seconds = excluded.seconds")
        .bind(run, row.stage, row.epoch, row.train_loss, row.train_top1, row.validation_loss,
              row.validation_top1, row.learning_rate, row.seconds)
        .run();
  }
  transaction.commit();
}

void Store::finish(int64_t run, RunStatus status, const std::string& reason,
                   const RunResult& result, const std::vector<SiteRow>& sites,
                   const std::vector<LatencyRow>& latencies,
                   const std::vector<PredictionRow>& predictions,
                   const std::map<std::string, std::string>& artefacts) {
  const Connection& connection = database_->connection;
  std::vector<std::string> packed;  // before the lock is taken, so that nobody waits for zlib
  for (const PredictionRow& row : predictions) packed.push_back(pack_predictions(row));

  Transaction transaction(connection);
  const RunStatus before = database_->status(run);
  require(before == RunStatus::Running && status != RunStatus::Running,
          "Run {} is {} and cannot be finished as {}.", run, name_of(before), name_of(status));
  insert_result(connection, run, result);
  for (const SiteRow& row : sites) {
    connection.insert("sites", "run, name, kind, bits, elements, macs, levels, encoding", run,
                      row.name, row.kind, row.bits, row.elements, row.macs, row.levels,
                      row.encoding);
  }
  add_contract(connection, run);
  for (const LatencyRow& row : latencies) {
    connection.insert(
        "latencies",
        "run, subject, kind, engine, isa, threads, batch, median_ms, low_ms, high_ms, "
        "repetitions",
        run, row.subject, row.kind, row.engine, row.isa, row.threads, row.batch, row.median_ms,
        row.low_ms, row.high_ms, row.repetitions);
  }
  for (size_t i = 0; i < predictions.size(); ++i) {
    connection.insert("predictions", "run, kind, count, data", run, predictions[i].kind,
                      static_cast<int64_t>(predictions[i].sample.size()), Blob{packed[i]});
  }
  for (const auto& [name, content] : artefacts) {
    connection.insert("artefacts", "run, name, content", run, name, content);
  }
  set_status(connection, run, status, reason);
  transaction.commit();
}

void Store::end(int64_t run, RunStatus status, const std::string& reason) {
  Transaction transaction(database_->connection);
  const RunStatus before = database_->status(run);
  const bool possible = status == RunStatus::Failed || status == RunStatus::Interrupted;
  require(before == RunStatus::Running && possible, "Run {} is {} and cannot end as {}.", run,
          name_of(before), name_of(status));
  set_status(database_->connection, run, status, reason);
  transaction.commit();
}

void Store::reopen(int64_t run) {
  Transaction transaction(database_->connection);
  const RunStatus before = database_->status(run);
  require(before != RunStatus::Ok && before != RunStatus::Mistrusted,
          "Run {} has ended ({}) and has nothing to resume; run its recipe again for a repetition.",
          run, name_of(before));
  set_status(database_->connection, run, RunStatus::Running, "");
  transaction.commit();
}

void Store::tag(int64_t run, const std::vector<std::string>& tags) {
  for (const std::string& word : tags)
    require(!word.empty() && word.find_first_of(" \t\n") == std::string::npos,
            "'{}' is no tag: a tag is one word without blanks.", word);
  Transaction transaction(database_->connection);
  database_->status(run);
  database_->connection.prepare("UPDATE runs SET tags = ? WHERE id = ?")
      .bind(fmt::format("{}", fmt::join(tags, " ")), run)
      .run();
  transaction.commit();
}

void Store::remove(int64_t run) {
  Transaction transaction(database_->connection);
  database_->status(run);
  database_->connection.prepare("DELETE FROM runs WHERE id = ?").bind(run).run();
  transaction.commit();
}

}  // namespace quantbench
