#include "results/contract_rows.h"

#include <fmt/format.h>

#include <random>

#include "base/sha256.h"

namespace quantbench {
namespace {

int64_t contract_id(const Connection& connection, const Contract& c) {
  std::string all;
  for (const std::string* field :
       {&c.baseline, &c.float_layers, &c.eight_bit_layers, &c.activation_bits, &c.calibration_hash,
        &c.preprocessing_hash, &c.training_budget})
    all += fmt::format("{}:{}", field->size(), *field);
  const std::string digest = sha256(all);
  if (const auto id = row_with(connection, "contracts", digest)) return *id;
  connection.insert("contracts",
                    "sha256, baseline, float_layers, eight_bit_layers, activation_bits, "
                    "calibration_hash, preprocessing_hash, training_budget",
                    digest, c.baseline, c.float_layers, c.eight_bit_layers, c.activation_bits,
                    c.calibration_hash, c.preprocessing_hash, c.training_budget);
  return connection.last_id();
}

std::vector<SiteRow> weight_rows(const Connection& connection, int64_t run) {
  Statement query = connection.prepare(
      "SELECT name, bits, encoding FROM sites WHERE run = ? AND kind = 'weight' ORDER BY id");
  query.bind(run);
  std::vector<SiteRow> out;
  while (query.step()) {
    SiteRow row;
    row.kind = "weight";
    row.name = query.text();
    row.bits = query.real();
    row.encoding = query.text();
    out.push_back(row);
  }
  return out;
}

}  // namespace

std::optional<int64_t> row_with(const Connection& connection, const std::string& table,
                                const std::string& digest) {
  Statement query = connection.prepare("SELECT id FROM " + table + " WHERE sha256 = ?");
  if (!query.bind(digest).step()) return std::nullopt;
  return query.integer();
}

std::string new_uid() {
  std::random_device entropy;
  std::string out;
  for (int i = 0; i < 4; ++i) out += fmt::format("{:08x}", entropy());
  return out;
}

std::string configuration_digest(const std::string& recipe) { return sha256(without_seed(recipe)); }

int64_t configuration_id(const Connection& connection, const std::string& recipe,
                         const std::string& method) {
  const std::string digest = configuration_digest(recipe);
  if (const auto id = row_with(connection, "configurations", digest)) return *id;
  connection.insert("configurations", "sha256, settings", digest, settings_of(recipe, method));
  return connection.last_id();
}

std::string run_identity(const RunRecord& run) {
  // The files that a recipe asks for change no number; they are the last line of its text.
  const size_t files = run.recipe.rfind("\nconvert = ");
  const std::string canonical =
      files == std::string::npos ? run.recipe : run.recipe.substr(0, files + 1);
  return sha256(canonical + run.dataset_fingerprint +
                fmt::format("/{}/v{}", run.seed, run.method_version));
}

void set_contract(const Connection& connection, int64_t run, const Contract& contract) {
  connection.prepare("UPDATE results SET contract = ? WHERE run = ?")
      .bind(contract_id(connection, contract), run)
      .run();
}

void add_contract(const Connection& connection, int64_t run) {
  Statement query = connection.prepare(
      "SELECT c.text, r.preprocessing, s.activation_bits_average, "
      "(SELECT count(*) FROM epochs e WHERE e.run = r.id AND e.stage <> 'fp32' "
      "AND e.stage NOT LIKE 'fp32:%') "
      "FROM runs r JOIN recipes c ON c.id = r.recipe JOIN results s ON s.run = r.id "
      "WHERE r.id = ?");
  if (!query.bind(run).step()) return;
  RunRecord record;
  record.recipe = query.text();
  record.preprocessing = query.text();
  RunResult result;
  result.activation_bits_average = query.maybe_real();
  set_contract(connection, run,
               contract_of(record, result, weight_rows(connection, run), query.integer()));
}

void fill_version2(Connection& database) {
  struct Row {
    int64_t id = 0;
    std::string recipe, method, uid;
  };
  std::vector<Row> rows;
  Statement query = database.prepare(
      "SELECT r.id, c.text, r.method, r.identity || '/' || r.repetition || '/' || r.started || '/' "
      "|| r.folder || '/' || p.sha256 FROM runs r JOIN recipes c ON c.id = r.recipe "
      "JOIN provenances p ON p.id = r.provenance ORDER BY r.id");
  while (query.step()) {
    Row row;
    row.id = query.integer();
    row.recipe = query.text();
    row.method = query.text();
    row.uid = sha256(query.text()).substr(0, 32);
    rows.push_back(std::move(row));
  }
  for (const Row& row : rows) {
    database.prepare("UPDATE runs SET uid = ?, configuration = ? WHERE id = ?")
        .bind(row.uid, configuration_id(database, row.recipe, row.method), row.id)
        .run();
    add_contract(database, row.id);
  }
}

void fill_version3(Connection& database) {
  std::vector<int64_t> runs;
  Statement query = database.prepare("SELECT run FROM results");
  while (query.step()) runs.push_back(query.integer());
  for (int64_t run : runs) add_contract(database, run);
  database.execute(
      "DELETE FROM contracts WHERE id NOT IN (SELECT contract FROM results WHERE contract IS NOT "
      "NULL)");
}

}  // namespace quantbench
