#include "results/board.h"

#include <fmt/format.h>

#include <unordered_map>

#include "results/sqlite.h"

namespace quantbench {
namespace {

void read_rows(const Connection& connection, Board& board) {
  Statement row = connection.prepare(
      "SELECT r.id, r.status, r.method, r.model, r.dataset, r.started, r.method_version, "
      "r.repetition, r.seed, r.configuration, s.contract, s.top1_fp32, s.top1_simulated, "
      "s.top1_shipped, s.size_bytes, s.weight_bits_average, s.activation_bits_average, s.bops, "
      "s.train_seconds, s.test_samples FROM runs r LEFT JOIN results s ON s.run = r.id "
      "ORDER BY r.id");
  while (row.step()) {
    BoardRow& r = board.rows.emplace_back();
    r.id = row.integer();
    for (std::string* text : {&r.status, &r.method, &r.model, &r.dataset, &r.started})
      *text = row.text();
    for (int64_t* number :
         {&r.method_version, &r.repetition, &r.seed, &r.configuration, &r.contract})
      *number = row.integer();
    for (std::optional<double>* figure :
         {&r.top1_fp32, &r.top1_simulated, &r.top1_shipped, &r.size_bytes, &r.weight_bits,
          &r.activation_bits, &r.bops, &r.train_seconds})
      *figure = row.maybe_real();
    r.test_samples = row.integer();
  }
}

// The most telling subject of each run.
void read_latencies(const Connection& connection, Board& board) {
  Statement row = connection.prepare(
      "SELECT run, subject, kind, engine, isa, threads, batch, median_ms, low_ms, high_ms "
      "FROM latencies WHERE median_ms > 0 ORDER BY run, subject = 'package' DESC, "
      "subject = 'fake_quantized' DESC, id");
  std::unordered_map<std::string, int64_t> kinds;
  size_t at = 0;
  int64_t last = -1;
  std::string key;
  while (row.step()) {
    const int64_t run = row.integer();
    if (run == last) continue;
    last = run;
    while (at < board.rows.size() && board.rows[at].id < run) ++at;
    if (at == board.rows.size() || board.rows[at].id != run) continue;
    BoardRow& r = board.rows[at];
    key = row.text() + " (" + row.text();
    key += ", " + row.text();
    key += ", " + row.text();
    key += ", " + std::to_string(row.integer()) + " thread(s), batch ";
    key += std::to_string(row.integer()) + ")";
    const auto [found, fresh] = kinds.try_emplace(key, static_cast<int64_t>(kinds.size()));
    if (fresh) board.latency_kinds.push_back(key);
    r.latency_kind = found->second;
    r.latency_ms = row.real();
    r.latency_low = row.real();
    r.latency_high = row.real();
  }
}

}  // namespace

Board read_board(const Store& store) {
  const Connection& connection = store.connection();
  Board board;
  read_rows(connection, board);
  read_latencies(connection, board);
  Statement settings = connection.prepare("SELECT id, settings FROM configurations");
  while (settings.step()) {
    const int64_t id = settings.integer();
    board.settings[id] = settings.text();
  }
  Statement row = connection.prepare(
      "SELECT id, baseline, float_layers, eight_bit_layers, activation_bits, calibration_hash, "
      "preprocessing_hash, training_budget FROM contracts");
  while (row.step()) {
    Contract& c = board.contracts[row.integer()];
    for (std::string* field :
         {&c.baseline, &c.float_layers, &c.eight_bit_layers, &c.activation_bits,
          &c.calibration_hash, &c.preprocessing_hash, &c.training_budget})
      *field = row.text();
  }
  return board;
}

}  // namespace quantbench
