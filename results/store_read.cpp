#include <iterator>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "results/store_database.h"

namespace quantbench {
namespace {

// The columns in the order in which read_run() and read_provenance() take them.
constexpr const char* kSelectRuns =
    "SELECT r.id, r.uid, r.identity, r.repetition, c.text, r.method, r.method_version, r.model, "
    "r.dataset, "
    "r.dataset_fingerprint, r.preprocessing, r.seed, r.folder, r.name, r.tags, r.status, r.reason, "
    "r.started, "
    "r.finished, p.source_revision, p.source_dirty, p.compiler, p.compiler_flags, p.build_type, "
    "p.libraries, p.cpu, p.gpu, p.isa, p.blas, p.os, p.threads, p.device "
    "FROM runs r JOIN recipes c ON c.id = r.recipe JOIN provenances p ON p.id = r.provenance ";

std::map<std::string, std::string> text_map(const std::string& text) {
  std::map<std::string, std::string> out;
  try {
    const nlohmann::json json = parse_json(text, "The list of libraries");
    if (!json.is_object()) return out;
    for (const auto& [key, value] : json.items()) {
      if (value.is_string()) out[key] = value.get<std::string>();
    }
  } catch (const Error&) {
    // A listing does without the libraries of a run whose provenance is damaged.
  }
  return out;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

Provenance read_provenance(Statement& row) {
  Provenance p;
  p.source_revision = row.text();
  p.source_dirty = row.integer() != 0;
  p.compiler = row.text();
  p.compiler_flags = row.text();
  p.build_type = row.text();
  p.libraries = text_map(row.text());
  p.cpu = row.text();
  p.gpu = row.text();
  p.isa = row.text();
  p.blas = row.text();
  p.os = row.text();
  p.threads = static_cast<int>(row.integer());
  p.device = row.text();
  return p;
}

RunRecord read_run(Statement& row) {
  RunRecord r;
  r.id = row.integer();
  r.uid = row.text();
  r.identity = row.text();
  r.repetition = static_cast<int>(row.integer());
  r.recipe = row.text();
  r.method = row.text();
  r.method_version = static_cast<int>(row.integer());
  r.model = row.text();
  r.dataset = row.text();
  r.dataset_fingerprint = row.text();
  r.preprocessing = row.text();
  r.seed = static_cast<uint64_t>(row.integer());
  r.folder = row.text();
  r.name = row.text();
  r.tags = words_of(row.text());
  r.status = run_status(row.text());
  r.reason = row.text();
  r.started = row.text();
  r.finished = row.text();
  r.provenance = read_provenance(row);
  return r;
}

template <typename Row, typename Read>
std::vector<Row> rows_of(Statement& query, Read read) {
  std::vector<Row> rows;
  while (query.step()) rows.push_back(read(query));
  return rows;
}

}  // namespace

RunRecord Store::run(int64_t id) const {
  database_->status(id);
  Statement query = database_->connection.prepare(std::string(kSelectRuns) + "WHERE r.id = ?");
  require(query.bind(id).step(), "Run {} has lost its recipe or its provenance.", id);
  return read_run(query);
}

RunResult Store::result(int64_t id) const {
  database_->status(id);
  Statement row = database_->connection.prepare(std::string("SELECT ") + kResultColumns +
                                                " FROM results WHERE run = ?");
  RunResult r;
  if (!row.bind(id).step()) return r;
  r.top1_fp32 = row.maybe_real();
  r.top1_simulated = row.maybe_real();
  r.top1_shipped = row.maybe_real();
  r.top5_simulated = row.maybe_real();
  r.validation_top1 = row.maybe_real();
  r.test_loss = row.maybe_real();
  r.test_samples = row.maybe_integer();
  r.size_bytes = row.maybe_integer();
  r.size_paper_bits = row.maybe_integer();
  r.size_paper_parameters = row.maybe_integer();
  r.weight_bits_average = row.maybe_real();
  r.activation_bits_average = row.maybe_real();
  r.macs = row.maybe_integer();
  r.bops = row.maybe_integer();
  r.integer_share = row.maybe_real();
  r.train_seconds = row.maybe_real();
  r.total_seconds = row.maybe_real();
  r.overhead = row.maybe_real();
  r.weights_hash = row.text();
  r.package_hash = row.text();
  r.predictions_hash = row.text();
  Statement figures =
      database_->connection.prepare("SELECT name, value FROM figures WHERE run = ? ORDER BY id");
  figures.bind(id);
  while (figures.step()) {
    const std::string name = figures.text();
    r.figures.emplace_back(name, figures.real());
  }
  return r;
}

std::vector<RunRecord> Store::runs(const RunFilter& filter) const {
  const std::vector<std::pair<std::string, std::string>> wanted = {{"method", filter.method},
                                                                   {"model", filter.model},
                                                                   {"dataset", filter.dataset},
                                                                   {"status", filter.status}};
  // instr() takes the word as it is; LIKE would see wildcards in it.
  const std::string where_tag =
      filter.tag.empty() ? "" : "AND instr(' ' || r.tags || ' ', ' ' || ? || ' ') > 0 ";
  if (!filter.status.empty()) run_status(filter.status);
  std::string where = "WHERE 1 ";
  for (const auto& [column, value] : wanted) {
    if (!value.empty()) where += "AND r." + column + " = ? ";
  }
  Statement query =
      database_->connection.prepare(kSelectRuns + where + where_tag + "ORDER BY r.id DESC LIMIT ?");
  for (const auto& [column, value] : wanted) {
    if (!value.empty()) query.bind(value);
  }
  if (!filter.tag.empty()) query.bind(filter.tag);
  query.bind(filter.limit > 0 ? filter.limit : int64_t{-1});
  return rows_of<RunRecord>(query, read_run);
}

std::vector<RunRecord> Store::repetitions(const std::string& identity) const {
  Statement query = database_->connection.prepare(std::string(kSelectRuns) +
                                                  "WHERE r.identity = ? ORDER BY r.repetition");
  query.bind(identity);
  return rows_of<RunRecord>(query, read_run);
}

std::vector<EpochRow> Store::epochs(int64_t run) const {
  database_->status(run);
  Statement query = database_->connection.prepare(
      "SELECT stage, epoch, train_loss, train_top1, validation_loss, validation_top1, "
      "learning_rate, seconds FROM epochs WHERE run = ? ORDER BY id");
  query.bind(run);
  return rows_of<EpochRow>(query, [](Statement& row) {
    return EpochRow{row.text(), row.integer(), row.real(), row.real(),
                    row.real(), row.real(),    row.real(), row.real()};
  });
}

std::vector<SiteRow> Store::sites(int64_t run) const {
  database_->status(run);
  Statement query = database_->connection.prepare(
      "SELECT name, kind, bits, elements, macs, levels, encoding FROM sites WHERE run = ? "
      "ORDER BY id");
  query.bind(run);
  return rows_of<SiteRow>(query, [](Statement& row) {
    return SiteRow{row.text(),    row.text(),    row.real(), row.integer(),
                   row.integer(), row.integer(), row.text()};
  });
}

std::vector<LatencyRow> Store::latencies(int64_t run) const {
  database_->status(run);
  Statement query = database_->connection.prepare(
      "SELECT subject, kind, engine, isa, threads, batch, median_ms, low_ms, high_ms, "
      "repetitions, p50_ms, p90_ms, p99_ms, offline_batch, offline_per_second "
      "FROM latencies WHERE run = ? ORDER BY id");
  query.bind(run);
  return rows_of<LatencyRow>(query, [](Statement& row) {
    return LatencyRow{row.text(),
                      row.text(),
                      row.text(),
                      row.text(),
                      static_cast<int>(row.integer()),
                      row.integer(),
                      row.real(),
                      row.real(),
                      row.real(),
                      row.integer(),
                      row.maybe_real(),
                      row.maybe_real(),
                      row.maybe_real(),
                      row.maybe_integer(),
                      row.maybe_real()};
  });
}

std::vector<PredictionRow> Store::predictions(int64_t run) const {
  database_->status(run);
  Statement query = database_->connection.prepare(
      "SELECT kind, count, data FROM predictions WHERE run = ? ORDER BY rowid");
  query.bind(run);
  return rows_of<PredictionRow>(query, [&](Statement& row) {
    const std::string kind = row.text();
    const int64_t count = row.integer();
    return unpack_predictions(kind, count, row.blob(),
                              fmt::format("The '{}' predictions of run {} in {}", kind, run,
                                          database_->connection.path()));
  });
}

std::map<std::string, std::string> Store::artefacts(int64_t run) const {
  database_->status(run);
  Statement query =
      database_->connection.prepare("SELECT name, content FROM artefacts WHERE run = ?");
  query.bind(run);
  std::map<std::string, std::string> out;
  while (query.step()) {
    const std::string name = query.text();
    out[name] = query.text();
  }
  return out;
}

}  // namespace quantbench
