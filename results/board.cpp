#include "results/board.h"

#include <algorithm>
#include <ctime>
#include <unordered_map>

#include "results/sqlite.h"

namespace quantbench {
namespace {

// The machine of each provenance, as a place in Board::machines.
std::unordered_map<int64_t, int64_t> read_machines(const Connection& connection, Board& board) {
  Statement row = connection.prepare("SELECT id, cpu, gpu, isa, device FROM provenances");
  std::unordered_map<std::string, int64_t> known;
  std::unordered_map<int64_t, int64_t> out;
  while (row.step()) {
    const int64_t id = row.integer();
    std::string name = row.text();
    for (int i = 0; i < 3; ++i) {
      const std::string part = row.text();
      if (!part.empty()) name += ", " + part;
    }
    const auto [found, fresh] =
        known.try_emplace(name, static_cast<int64_t>(board.machines.size()));
    if (fresh) board.machines.push_back(name);
    out[id] = found->second;
  }
  return out;
}

void read_rows(const Connection& connection, Board& board) {
  board.rows.reserve(static_cast<size_t>(connection.integer("SELECT count(*) FROM runs")));
  Statement row = connection.prepare(
      "SELECT r.id, r.status, r.method, r.model, r.dataset, r.started, r.method_version, "
      "r.repetition, r.seed, r.configuration, s.contract, s.top1_fp32, s.top1_simulated, "
      "s.top1_shipped, s.size_bytes, s.weight_bits_average, s.activation_bits_average, s.bops, "
      "s.train_seconds, s.test_samples, r.dataset_fingerprint, r.provenance FROM runs r "
      "LEFT JOIN results s ON s.run = r.id ORDER BY r.id");
  std::unordered_map<std::string, int64_t> known;
  const auto machines = read_machines(connection, board);
  while (row.step()) {
    BoardRow& r = board.rows.emplace_back();
    r.id = row.integer();
    for (std::string* text : {&r.status, &r.method, &r.model, &r.dataset}) *text = row.text_view();
    r.started = seconds_of(row.text_view());
    for (int64_t* number :
         {&r.method_version, &r.repetition, &r.seed, &r.configuration, &r.contract})
      *number = row.integer();
    for (std::optional<double>* figure :
         {&r.top1_fp32, &r.top1_simulated, &r.top1_shipped, &r.size_bytes, &r.weight_bits,
          &r.activation_bits, &r.bops, &r.train_seconds})
      *figure = row.maybe_real();
    r.test_samples = row.integer();
    const auto [found, fresh] =
        known.try_emplace(row.text(), static_cast<int64_t>(board.fingerprints.size()));
    if (fresh) board.fingerprints.push_back(found->first);
    r.data = found->second;
    r.machine = machines.at(row.integer());
  }
}

int preference(std::string_view subject) {
  return subject == "package" ? 3 : subject == "fake_quantized" ? 2 : 1;
}

// Runs were numbered in order, so the row sought is mostly the last one or the next.
BoardRow* row_of(std::vector<BoardRow>& rows, int64_t run, size_t& hint) {
  while (hint + 1 < rows.size() && rows[hint].id < run) ++hint;
  if (hint < rows.size() && rows[hint].id == run) return &rows[hint];
  const auto found = std::lower_bound(rows.begin(), rows.end(), run,
                                      [](const BoardRow& row, int64_t id) { return row.id < id; });
  if (found == rows.end() || found->id != run) return nullptr;
  hint = static_cast<size_t>(found - rows.begin());
  return &*found;
}

// The most telling subject of each run.
void read_latencies(const Connection& connection, Board& board) {
  Statement row = connection.prepare(
      "SELECT run, subject, kind, engine, isa, threads, batch, median_ms, low_ms, high_ms "
      "FROM latencies WHERE median_ms > 0");
  std::unordered_map<std::string, int64_t> kinds;
  std::vector<int> taken(board.rows.size(), 0);
  size_t hint = 0;
  std::string key;
  while (row.step()) {
    BoardRow* r = row_of(board.rows, row.integer(), hint);
    if (r == nullptr) continue;
    key = row.text_view();
    int& best = taken[static_cast<size_t>(r - board.rows.data())];
    if (preference(key) <= best) continue;
    best = preference(key);
    r->latency_shipped = key == "package";
    key += " (";
    key += row.text_view();
    key += ", ";
    key += row.text_view();
    key += ", ";
    key += row.text_view();
    key += ", " + std::to_string(row.integer()) + " thread(s), batch ";
    key += std::to_string(row.integer()) + ") on ";
    key += board.machines[static_cast<size_t>(r->machine)];
    const auto [found, fresh] = kinds.try_emplace(key, static_cast<int64_t>(kinds.size()));
    if (fresh) board.latency_kinds.push_back(key);
    r->latency_kind = found->second;
    r->latency_ms = row.real();
    r->latency_low = row.real();
    r->latency_high = row.real();
  }
}

}  // namespace

int64_t seconds_of(std::string_view iso) {
  if (iso.size() != 10 && iso.size() != 20) return -1;
  const auto number = [&](size_t at, size_t length) {
    if (at >= iso.size()) return 0;
    int out = 0;
    for (size_t i = at; i < at + length; ++i)
      out = out < 0 || iso[i] < '0' || iso[i] > '9' ? -1 : 10 * out + (iso[i] - '0');
    return out;
  };
  std::tm utc = {};
  utc.tm_year = number(0, 4) - 1900;
  utc.tm_mon = number(5, 2) - 1;
  utc.tm_mday = number(8, 2);
  utc.tm_hour = number(11, 2);
  utc.tm_min = number(14, 2);
  utc.tm_sec = number(17, 2);
  const bool sound = utc.tm_year >= 0 && utc.tm_mon >= 0 && utc.tm_mon < 12 && utc.tm_mday > 0 &&
                     utc.tm_mday < 32 && utc.tm_hour >= 0 && utc.tm_min >= 0 && utc.tm_sec >= 0;
  return sound ? static_cast<int64_t>(timegm(&utc)) : -1;
}

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
