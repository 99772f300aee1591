#include "results/merge.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "results/sqlite.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

// A shard under the name `shard`, and a table of the runs to take: (old, new) numbers.
class Attached {
 public:
  Attached(const Connection& connection, const fs::path& path) : connection_(connection) {
    connection.prepare("ATTACH DATABASE ? AS shard").bind(fs::absolute(path).string()).run();
  }
  ~Attached() {
    try {
      connection_.execute("DROP TABLE IF EXISTS temp.taken; DETACH DATABASE shard");
    } catch (const Error&) {
      // The connection closes soon and takes both with it.
    }
  }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  const Connection& connection_;
};

// Rows that runs share, by their digest.
void copy_shared(const Connection& connection, const std::string& table,
                 const std::string& columns) {
  connection.execute("INSERT OR IGNORE INTO main." + table + " (sha256, " + columns +
                     ") SELECT sha256, " + columns + " FROM shard." + table);
}

struct ShardRun {
  int64_t id = 0, here = 0;  // here: its number in this store, 0: not here
  std::string status, identity, finished, status_here, finished_here;
};

std::vector<ShardRun> shard_runs(const Connection& connection) {
  Statement query = connection.prepare(
      "SELECT s.id, coalesce(m.id, 0), s.status, s.identity, s.finished, coalesce(m.status, ''), "
      "coalesce(m.finished, '') FROM shard.runs s LEFT JOIN main.runs m ON m.uid = s.uid "
      "ORDER BY s.id");
  std::vector<ShardRun> out;
  while (query.step()) {
    ShardRun run;
    run.id = query.integer();
    run.here = query.integer();
    run.status = query.text();
    run.identity = query.text();
    run.finished = query.text();
    run.status_here = query.text();
    run.finished_here = query.text();
    out.push_back(std::move(run));
  }
  return out;
}

bool has_gone_on(const ShardRun& run) {
  const bool settled = run.status_here == "ok" || run.status_here == "mistrusted";
  return !settled && run.status != "running" &&
         (run.status != run.status_here || run.finished > run.finished_here);
}

// A reference of the shard's row, as the row of the same digest here.
std::string translated(const std::string& table, const std::string& key) {
  return "(SELECT m.id FROM main." + table + " m JOIN shard." + table +
         " s ON s.sha256 = m.sha256 WHERE s.id = " + key + ")";
}

int64_t add_run(const Connection& connection, const ShardRun& run) {
  const std::string copied =
      "uid, identity, status, method, method_version, model, dataset, dataset_fingerprint, "
      "preprocessing, seed, started, finished, folder, reason, name, tags";
  // An updated run keeps its number, a new one gets the next.
  connection
      .prepare("INSERT INTO main.runs (id, repetition, recipe, configuration, provenance, " +
               copied +
               ") SELECT nullif(?, 0), (SELECT coalesce(max(repetition) + 1, 0) FROM main.runs m "
               "WHERE m.identity = r.identity), " +
               translated("recipes", "r.recipe") + ", " +
               translated("configurations", "r.configuration") + ", " +
               translated("provenances", "r.provenance") + ", " + copied +
               " FROM shard.runs r WHERE r.id = ?")
      .bind(run.here, run.id)
      .run();
  return connection.last_id();
}

void copy_rows(const Connection& connection, const std::string& table, const std::string& columns) {
  connection.execute("INSERT INTO main." + table + " (run, " + columns + ") SELECT t.new, " +
                     columns + " FROM shard." + table +
                     " s JOIN temp.taken t ON t.old = s.run ORDER BY s.rowid");
}

void copy_results(const Connection& connection) {
  const std::string columns =
      "top1_fp32, top1_simulated, top1_shipped, top5_simulated, validation_top1, test_loss, "
      "test_samples, size_bytes, size_paper_bits, size_paper_parameters, weight_bits_average, "
      "activation_bits_average, macs, bops, integer_share, train_seconds, total_seconds, overhead, "
      "weights_hash, package_hash, predictions_hash";
  connection.execute("INSERT INTO main.results (run, contract, " + columns + ") SELECT t.new, " +
                     translated("contracts", "r.contract") + ", " + columns +
                     " FROM shard.results r JOIN temp.taken t ON t.old = r.run");
}

void copy_all(const Connection& connection) {
  copy_results(connection);
  copy_rows(connection, "figures", "name, value");
  copy_rows(connection, "epochs",
            "stage, epoch, train_loss, train_top1, validation_loss, validation_top1, "
            "learning_rate, seconds");
  copy_rows(connection, "sites", "name, kind, bits, elements, macs, levels, encoding");
  copy_rows(connection, "latencies",
            "subject, kind, engine, isa, threads, batch, median_ms, low_ms, high_ms, repetitions");
  copy_rows(connection, "predictions", "kind, count, data");
  copy_rows(connection, "artefacts", "name, content");
}

}  // namespace

void check_shard(const fs::path& shard) {
  require(fs::exists(shard), "There is no shard {} to merge.", shard.string());
  const Store checked(shard, Store::Access::Read);
}

Merged merge(Store& into, const fs::path& shard) {
  const Connection& connection = into.connection();
  check_shard(shard);
  require(!fs::equivalent(shard, connection.path()),
          "{} is the store itself; name the shards to merge into it.", shard.string());
  const Attached attached(connection, shard);
  Transaction transaction(connection);
  connection.execute("CREATE TABLE temp.taken (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)");
  copy_shared(connection, "recipes", "text");
  copy_shared(connection, "configurations", "settings");
  copy_shared(connection, "contracts",
              "baseline, float_layers, eight_bit_layers, activation_bits, calibration_hash, "
              "preprocessing_hash, training_budget");
  copy_shared(
      connection, "provenances",
      "source_revision, source_dirty, compiler, compiler_flags, build_type, libraries, cpu, "
      "gpu, isa, blas, os, threads, device");
  Merged out;
  for (const ShardRun& run : shard_runs(connection)) {
    if (run.here != 0 && !has_gone_on(run)) {
      ++out.known;
      continue;
    }
    ++(run.here == 0 ? out.added : out.updated);
    if (run.here != 0)
      connection.prepare("DELETE FROM main.runs WHERE id = ?").bind(run.here).run();
    const int64_t now = add_run(connection, run);
    connection.prepare("INSERT INTO temp.taken VALUES (?, ?)").bind(run.id, now).run();
  }
  copy_all(connection);
  transaction.commit();
  return out;
}

}  // namespace quantbench
