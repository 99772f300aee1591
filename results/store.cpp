#include "results/store.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "results/contract_rows.h"
#include "results/run_rows.h"
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

void set_status(const Connection& connection, int64_t run, RunStatus status,
                const std::string& reason) {
  const std::string finished = status == RunStatus::Running ? "" : now();
  connection.prepare("UPDATE runs SET status = ?, reason = ?, finished = ? WHERE id = ?")
      .bind(name_of(status), reason, finished, run)
      .run();
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
  Connection& connection = database_->connection;
  if (access == Access::Read) {
    const int64_t newest = schema_version(), version = check_schema(connection, newest);
    require(version > 0, "The database {} is empty.", connection.path());
    if (version == newest) return;
    connection.continue_on_a_copy();
  }
  upgrade(connection);
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
  run.id = 0;
  run.status = RunStatus::Running;
  run.reason.clear();
  run.started = now();
  run.finished.clear();
  run.uid = new_uid();
  if (run.folder.empty()) run.folder = run.uid;
  run.id = insert_run(connection, run);
  Statement repetition = connection.prepare("SELECT repetition FROM runs WHERE id = ?");
  repetition.bind(run.id).step();
  run.repetition = static_cast<int>(repetition.integer());
  transaction.commit();
  return run;
}

void Store::add_epochs(int64_t run, const std::vector<EpochRow>& rows) {
  const Connection& connection = database_->connection;
  Transaction transaction(connection);
  database_->status(run);
  insert_epochs(connection, run, rows);
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
  insert_result(connection, run, result, sites);
  insert_latencies(connection, run, latencies);
  for (size_t i = 0; i < predictions.size(); ++i) {
    connection.insert("predictions", "run, kind, count, data", run, predictions[i].kind,
                      static_cast<int64_t>(predictions[i].sample.size()), Blob{packed[i]});
  }
  insert_artefacts(connection, run, artefacts);
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
