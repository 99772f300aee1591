#include "results/merge.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/hexadecimal.h"
#include "base/safe_name.h"
#include "base/text.h"
#include "results/run_rows.h"
#include "results/sqlite.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTables[] = {"runs",      "results",     "epochs",   "sites",
                                   "latencies", "predictions", "artefacts"};

// A shard opened for reading and found to be whole.
Store checked_shard(const fs::path& path, const MergeLimits& limits) {
  std::error_code code;
  require(fs::exists(path, code), "There is no shard {} to merge.", path.string());
  const auto bytes = static_cast<int64_t>(fs::file_size(path, code));
  require(code || bytes <= limits.bytes, "The shard {} has {} bytes; at most {} are taken.",
          path.string(), bytes, limits.bytes);
  Store shard(path, Store::Access::Read);
  const Connection& connection = shard.connection();
  // A page that is reached on two ways could stand for more rows than could ever be read.
  Statement check = connection.prepare("PRAGMA quick_check(1)");
  const std::string verdict = check.step() ? check.text() : "no answer";
  require(verdict == "ok", "The shard {} is damaged ({}); restore a copy of it.", path.string(),
          verdict);
  int64_t rows = 0;
  for (const char* table : kTables)
    rows += connection.integer(std::string("SELECT count(*) FROM ") + table);
  require(rows <= limits.rows, "The shard {} has {} rows; at most {} are taken. Merge it in parts.",
          path.string(), rows, limits.rows);
  return shard;
}

struct ShardRun {
  int64_t id = 0;
  std::string uid;
};

std::vector<ShardRun> runs_of(const Store& shard) {
  Statement query = shard.connection().prepare("SELECT id, uid FROM runs ORDER BY id");
  std::vector<ShardRun> out;
  while (query.step()) {
    ShardRun run;
    run.id = query.integer();
    run.uid = query.text();
    out.push_back(std::move(run));
  }
  return out;
}

void check_record(const RunRecord& run, const fs::path& shard) {
  for (const std::string* name : {&run.method, &run.model, &run.dataset})
    require(is_safe_name(*name), "Run {} of {} has the name '{}', which cannot be one.", run.id,
            shard.string(), printable_line(*name));
}

bool is_over(RunStatus status) {
  return status == RunStatus::Ok || status == RunStatus::Mistrusted;
}

int64_t count_epochs(const Store& store, int64_t run) {
  Statement query = store.connection().prepare("SELECT count(*) FROM epochs WHERE run = ?");
  query.bind(run).step();
  return query.integer();
}

// Whether the shard knows more of a run than this store. Times are of two clocks and decide only
// between histories of one length.
bool has_gone_on(const Store& into, const RunRecord& here, const Store& shard,
                 const RunRecord& there) {
  if (is_over(here.status) || there.status == RunStatus::Running) return false;
  if (is_over(there.status)) return true;
  // It may be computed by somebody at this moment.
  if (here.status == RunStatus::Running) return false;
  const int64_t epochs_here = count_epochs(into, here.id);
  const int64_t epochs_there = count_epochs(shard, there.id);
  return epochs_there > epochs_here ||
         (epochs_there == epochs_here && there.finished > here.finished);
}

void copy_predictions(const Connection& from, int64_t old, const Connection& into, int64_t now) {
  Statement query =
      from.prepare("SELECT kind, count, data FROM predictions WHERE run = ? ORDER BY rowid");
  query.bind(old);
  while (query.step()) {
    const std::string kind = query.text();
    const int64_t count = query.integer();
    into.insert("predictions", "run, kind, count, data", now, kind, count, Blob{query.text_view()});
  }
}

void copy_run(const Store& shard, RunRecord run, const Connection& into, int64_t number) {
  const int64_t old = run.id;
  run.id = number;
  const int64_t now = insert_run(into, run);
  insert_epochs(into, now, shard.epochs(old));
  Statement result = shard.connection().prepare("SELECT 1 FROM results WHERE run = ?");
  if (result.bind(old).step()) insert_result(into, now, shard.result(old), shard.sites(old));
  insert_latencies(into, now, shard.latencies(old));
  copy_predictions(shard.connection(), old, into, now);
  insert_artefacts(into, now, shard.artefacts(old));
}

// The number of a run in this store, 0 when it is not here.
int64_t number_of(const Connection& connection, const std::string& uid) {
  Statement query = connection.prepare("SELECT id FROM runs WHERE uid = ?");
  return query.bind(uid).step() ? query.integer() : 0;
}

}  // namespace

void check_shard(const fs::path& shard, const MergeLimits& limits) { checked_shard(shard, limits); }

Merged merge(Store& into, const fs::path& path, const MergeLimits& limits) {
  const Connection& connection = into.connection();
  require(!fs::exists(path) || !fs::equivalent(path, connection.path()),
          "{} is the store itself; name the shards to merge into it.", path.string());
  const Store shard = checked_shard(path, limits);
  // What others write into the shard meanwhile is for the next time.
  shard.connection().execute("BEGIN");
  Transaction transaction(connection);
  Merged out;
  for (const ShardRun& known : runs_of(shard)) {
    require(is_hexadecimal(known.uid, 32),
            "Run {} of {} has no sound uid, so it cannot be told from others; it is not merged.",
            known.id, path.string());
    const int64_t here = number_of(connection, known.uid);
    const RunRecord run = shard.run(known.id);
    if (here != 0 && !has_gone_on(into, into.run(here), shard, run)) {
      ++out.known;
      continue;
    }
    check_record(run, path);
    ++(here == 0 ? out.added : out.updated);
    // An updated run keeps its number, a new one gets the next.
    if (here != 0) connection.prepare("DELETE FROM runs WHERE id = ?").bind(here).run();
    copy_run(shard, run, connection, here);
  }
  transaction.commit();
  return out;
}

}  // namespace quantbench
