#include "results/schema.h"

#include "results/contract_rows.h"

namespace quantbench {
namespace {

const char* const kVersion1 = R"sql(
CREATE TABLE recipes (
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  text TEXT NOT NULL
) STRICT;

CREATE TABLE provenances (
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  source_revision TEXT NOT NULL,
  source_dirty INTEGER NOT NULL,
  compiler TEXT NOT NULL,
  compiler_flags TEXT NOT NULL,
  build_type TEXT NOT NULL,
  libraries TEXT NOT NULL,
  cpu TEXT NOT NULL,
  gpu TEXT NOT NULL,
  isa TEXT NOT NULL,
  blas TEXT NOT NULL,
  os TEXT NOT NULL,
  threads INTEGER NOT NULL,
  device TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  identity TEXT NOT NULL,
  repetition INTEGER NOT NULL,
  status TEXT NOT NULL
    CHECK (status IN ('running', 'ok', 'mistrusted', 'failed', 'interrupted')),
  method TEXT NOT NULL,
  method_version INTEGER NOT NULL,
  model TEXT NOT NULL,
  dataset TEXT NOT NULL,
  dataset_fingerprint TEXT NOT NULL,
  preprocessing TEXT NOT NULL,
  seed INTEGER NOT NULL,
  recipe INTEGER NOT NULL REFERENCES recipes (id),
  provenance INTEGER NOT NULL REFERENCES provenances (id),
  started TEXT NOT NULL,
  finished TEXT NOT NULL DEFAULT '',
  folder TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  UNIQUE (identity, repetition)
) STRICT;
CREATE INDEX runs_comparable ON runs (dataset, model, method, method_version, status);
CREATE INDEX runs_method ON runs (method);
CREATE INDEX runs_model ON runs (model);
CREATE INDEX runs_dataset ON runs (dataset);
CREATE INDEX runs_status ON runs (status);

CREATE TABLE results (
  run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
  top1_fp32 REAL,
  top1_simulated REAL,
  top1_shipped REAL,
  top5_simulated REAL,
  validation_top1 REAL,
  test_loss REAL,
  test_samples INTEGER,
  size_bytes INTEGER,
  size_paper_bits INTEGER,
  weight_bits_average REAL,
  activation_bits_average REAL,
  macs INTEGER,
  bops INTEGER,
  integer_share REAL,
  train_seconds REAL,
  total_seconds REAL,
  weights_hash TEXT NOT NULL,
  package_hash TEXT NOT NULL,
  predictions_hash TEXT NOT NULL
) STRICT;

CREATE TABLE epochs (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  stage TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  train_loss REAL,
  train_top1 REAL,
  validation_loss REAL,
  validation_top1 REAL,
  learning_rate REAL,
  seconds REAL,
  UNIQUE (run, stage, epoch)
) STRICT;

CREATE TABLE sites (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  bits REAL,
  elements INTEGER NOT NULL,
  macs INTEGER NOT NULL,
  levels INTEGER NOT NULL,
  encoding TEXT NOT NULL
) STRICT;
CREATE INDEX sites_run ON sites (run);

CREATE TABLE latencies (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  subject TEXT NOT NULL,
  kind TEXT NOT NULL,
  engine TEXT NOT NULL,
  isa TEXT NOT NULL,
  threads INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  median_ms REAL,
  low_ms REAL,
  high_ms REAL,
  repetitions INTEGER NOT NULL
) STRICT;
CREATE INDEX latencies_run ON latencies (run);

CREATE TABLE predictions (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  count INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (run, kind)
) STRICT;

CREATE TABLE artefacts (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (run, name)
) STRICT;
)sql";

// What reports group and compare by: see results/contract.h. A configuration is a recipe without
// its seed; a uid tells a run from every other, so that stores can be merged.
const char* const kVersion2 = R"sql(
CREATE TABLE configurations (
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  settings TEXT NOT NULL
) STRICT;

CREATE TABLE contracts (
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  baseline TEXT NOT NULL,
  float_layers TEXT NOT NULL,
  eight_bit_layers TEXT NOT NULL,
  activation_bits TEXT NOT NULL,
  calibration_hash TEXT NOT NULL,
  preprocessing_hash TEXT NOT NULL,
  training_budget TEXT NOT NULL
) STRICT;

ALTER TABLE runs ADD COLUMN uid TEXT;
ALTER TABLE runs ADD COLUMN configuration INTEGER REFERENCES configurations (id);
ALTER TABLE results ADD COLUMN contract INTEGER REFERENCES contracts (id);
CREATE UNIQUE INDEX runs_uid ON runs (uid);
CREATE INDEX runs_configuration ON runs (configuration);
)sql";

// The convention of a method's paper has its own count of parameters; a method's own figures; how
// much of the training was not training steps.
const char* const kVersion4 = R"sql(
ALTER TABLE results ADD COLUMN size_paper_parameters INTEGER;
ALTER TABLE results ADD COLUMN overhead REAL;

CREATE TABLE figures (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  value REAL,
  UNIQUE (run, name)
) STRICT;
)sql";

// What people call a run: the recipe's name, and words of their own.
const char* const kVersion5 = R"sql(
ALTER TABLE runs ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '';
)sql";

// Of a latency also the tail, and what many samples at once come to.
const char* const kVersion6 = R"sql(
ALTER TABLE latencies ADD COLUMN p50_ms REAL;
ALTER TABLE latencies ADD COLUMN p90_ms REAL;
ALTER TABLE latencies ADD COLUMN p99_ms REAL;
ALTER TABLE latencies ADD COLUMN offline_batch INTEGER;
ALTER TABLE latencies ADD COLUMN offline_per_second REAL;
)sql";

// Of a schema that somebody else may have written.
void refuse_what_acts_by_itself(const Connection& database) {
  Statement entry = database.prepare(
      "SELECT type, name FROM sqlite_schema WHERE type NOT IN ('table', 'index') UNION ALL "
      "SELECT 'virtual table', name FROM pragma_table_list WHERE schema = 'main' AND type = "
      "'virtual'");
  if (entry.step()) {
    const std::string type = entry.text();
    fail("The database {} holds the {} {}, which no store does; it is not read.", database.path(),
         type, entry.text());
  }
  Statement column = database.prepare(
      "SELECT s.name, x.name FROM sqlite_schema s, pragma_table_xinfo(s.name) x "
      "WHERE s.type = 'table' AND x.hidden <> 0");
  if (!column.step()) return;
  const std::string table = column.text();
  fail("The database {} computes its column {} of {}, which no store does; it is not read.",
       database.path(), column.text(), table);
}

// The version of a store, 0 for an empty file. Throws Error when it is somebody else's, or newer.
int64_t version_of(const Connection& database, int64_t known) {
  // One statement, so that a store which another process makes meanwhile is seen whole or not at
  // all.
  Statement query = database.prepare(
      "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) "
      "FROM pragma_application_id, pragma_user_version");
  require(query.step(), "The database {} does not say what it is.", database.path());
  const int64_t application = query.integer(), version = query.integer(), tables = query.integer();
  const bool empty = application == 0 && version == 0 && tables == 0;
  require(empty || application == kApplicationId,
          "{} is the SQLite database of another program; name another file.", database.path());
  require(
      version >= 0 && version <= known,
      "The database {} has schema version {}, but this quantbench knows versions up to {}; use a "
      "newer quantbench.",
      database.path(), version, known);
  return version;
}

}  // namespace

const std::vector<Migration>& migrations() {
  static const std::vector<Migration> steps = {{kVersion1},         {kVersion2, fill_version2},
                                               {"", fill_version3}, {kVersion4},
                                               {kVersion5},         {kVersion6}};
  return steps;
}

int64_t check_schema(const Connection& database, int64_t newest) {
  const int64_t version = version_of(database, newest);
  refuse_what_acts_by_itself(database);
  return version;
}

void upgrade(Connection& database, const std::vector<Migration>& steps) {
  const auto wanted = static_cast<int64_t>(steps.size());
  const bool complete = check_schema(database, wanted) == wanted;
  if (!database.read_only() && !database.is_a_copy()) {
    database.use_journal(database.is_on_local_disk() ? Connection::Journal::WriteAhead
                                                     : Connection::Journal::Rollback);
  }
  if (complete) return;
  require(!database.read_only(),
          "The database {} has an older schema and is read-only; open it once where it may be "
          "written.",
          database.path());
  Transaction transaction(database);
  // Another process may have been here between the check and the lock.
  for (int64_t version = version_of(database, wanted); version < wanted; ++version) {
    const Migration& step = steps[static_cast<size_t>(version)];
    database.execute(step.sql);
    if (step.fill != nullptr) step.fill(database);
  }
  database.execute(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, wanted));
  transaction.commit();
}

}  // namespace quantbench
