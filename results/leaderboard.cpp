// The data on the page, in <script type="application/json"> elements:
//   runs       {count, made, beside, methods, published, contracts, latency_kinds, scales,
//               numbers: {column: [integer or null, to be divided by its scale]},
//               words: {column: {dictionary: [text], codes: [integer]}}}
//   changes    [{kind, run, before, configuration, what, sentence}]
//   run-ID     what `show ID --format json` prints, without artefacts
// Columns of integers are a third of the size of objects, and parse at once.
#include "results/leaderboard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "results/board.h"
#include "results/contract_rows.h"
#include "results/entries.h"
#include "results/history.h"
#include "results/run_json.h"
#include "results/site/page.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostChanges = 2000;

std::string text(const Json& json) {
  return script_json(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void element(std::string& page, const std::string& id, const std::string& json) {
  page += "<script type=\"application/json\" id=\"" + id + "\">" + json + "</script>\n";
}

// One column of scaled integers.
class Numbers {
 public:
  template <typename Value>
  void add(const char* name, double scale, const Board& board, Value value) {
    columns_ += fmt::format("{}\"{}\":[", columns_.empty() ? "" : ",", name);
    bool first = true;
    for (const BoardRow& row : board.rows) {
      if (!first) columns_ += ',';
      first = false;
      const double number = value(row);
      if (std::isfinite(number) && std::abs(number) < 9e15 / scale) {
        const fmt::format_int digits(std::llround(scale * number));
        columns_.append(digits.data(), digits.size());
      } else {
        columns_ += "null";
      }
    }
    columns_ += ']';
    if (scale != 1) scales_[name] = scale;
  }

  const std::string& columns() const { return columns_; }
  const Json& scales() const { return scales_; }

 private:
  std::string columns_;
  Json scales_ = Json::object();
};

template <typename Value>
std::string word_column(const char* name, const Board& board, Value value) {
  std::unordered_map<std::string, size_t> known;
  Json dictionary = Json::array();
  std::string codes;
  for (const BoardRow& row : board.rows) {
    const std::string& word = value(row);
    const auto [found, fresh] = known.try_emplace(word, known.size());
    if (fresh) dictionary.push_back(word);
    if (!codes.empty()) codes += ',';
    const fmt::format_int digits(found->second);
    codes.append(digits.data(), digits.size());
  }
  return fmt::format("\"{}\":{{\"dictionary\":{},\"codes\":[{}]}}", name, text(dictionary), codes);
}

double or_nan(const std::optional<double>& value) { return value.value_or(NAN); }

// The groups that are like for like: each gets a place in a list, and each run the place of its own
// (-1: it has no result).
struct Contracts {
  std::vector<int64_t> of_row;
  Json list = Json::array();

  explicit Contracts(const Board& board) {
    std::map<GroupKey, int64_t> known;
    for (const BoardRow& row : board.rows) {
      const auto contract = board.contracts.find(row.contract);
      if (contract == board.contracts.end()) {
        of_row.push_back(-1);
        continue;
      }
      const auto [found, fresh] =
          known.try_emplace(group_of(row, contract->second), static_cast<int64_t>(list.size()));
      if (fresh) add(contract->second, board.fingerprints[static_cast<size_t>(row.data)], row);
      of_row.push_back(found->second);
    }
  }

  void add(const Contract& c, const std::string& fingerprint, const BoardRow& row) {
    const int64_t fp32 = std::get<3>(group_of(row, c));
    list.push_back(
        {{"baseline", c.baseline},
         {"fp32", fp32 < 0 ? "" : fmt::format("{:.2f} %", 0.01 * static_cast<double>(fp32))},
         {"float_layers", c.float_layers},
         {"eight_bit_layers", c.eight_bit_layers},
         {"activation_bits", c.activation_bits},
         {"calibration", c.calibration_hash.substr(0, 12)},
         {"preprocessing", c.preprocessing_hash.substr(0, 12)},
         {"budget", c.training_budget},
         {"data", fingerprint.substr(0, 12)},
         {"samples", row.test_samples}});
  }
};

Json methods_json(const LeaderboardConfig& config) {
  Json out = Json::object();
  for (const auto& [name, m] : config.methods)
    out[name] = {{"title", m.title}, {"paper", m.paper}, {"arxiv", m.arxiv}, {"year", m.year}};
  return out;
}

// Published figures by the numbers that configurations have in this store.
Json published_json(const Store& store, const LeaderboardConfig& config) {
  Json out = Json::object();
  for (const auto& [digest, figures] : config.published) {
    const auto id = row_with(store.connection(), "configurations", digest);
    if (!id) continue;
    Json& list = out[std::to_string(*id)] = Json::array();
    for (const BoardFigure& f : figures)
      list.push_back({{"paper", f.paper}, {"value", f.value}, {"second_hand", f.second_hand}});
  }
  return out;
}

std::string runs_json(const Store& store, const Board& board, const LeaderboardConfig& config) {
  const Contracts contracts(board);
  Numbers n;
  const auto add = [&](const char* name, double scale, auto value) {
    n.add(name, scale, board, value);
  };
  const auto timed = [](const BoardRow& r, double value) {
    return r.latency_kind < 0 ? NAN : value;
  };
  add("id", 1, [](const BoardRow& r) { return static_cast<double>(r.id); });
  add("seed", 1,
      [](const BoardRow& r) { return static_cast<double>(static_cast<uint64_t>(r.seed)); });
  add("configuration", 1, [](const BoardRow& r) { return static_cast<double>(r.configuration); });
  add("version", 1, [](const BoardRow& r) { return static_cast<double>(r.method_version); });
  add("contract", 1, [&](const BoardRow& r) {
    const int64_t place = contracts.of_row[static_cast<size_t>(&r - board.rows.data())];
    return place < 0 ? NAN : static_cast<double>(place);
  });
  add("started", 1,
      [](const BoardRow& r) { return r.started < 0 ? NAN : static_cast<double>(r.started); });
  add("top1_fp32", 1e6, [](const BoardRow& r) { return or_nan(r.top1_fp32); });
  add("top1_simulated", 1e6, [](const BoardRow& r) { return or_nan(r.top1_simulated); });
  add("top1_shipped", 1e6, [](const BoardRow& r) { return or_nan(r.top1_shipped); });
  add("size_bytes", 1, [](const BoardRow& r) { return or_nan(r.size_bytes); });
  add("weight_bits", 1e3, [](const BoardRow& r) { return or_nan(r.weight_bits); });
  add("activation_bits", 1e3, [](const BoardRow& r) { return or_nan(r.activation_bits); });
  add("bops", 1, [](const BoardRow& r) { return or_nan(r.bops); });
  add("latency_ms", 1e6, [&](const BoardRow& r) { return timed(r, r.latency_ms); });
  add("latency_fp32_ms", 1e6,
      [](const BoardRow& r) { return r.latency_fp32_ms > 0 ? r.latency_fp32_ms : NAN; });
  add("latency_kind", 1, [](const BoardRow& r) { return static_cast<double>(r.latency_kind); });

  static const std::string none;
  std::string words = word_column(
      "status", board, [](const BoardRow& r) -> auto& { return r.status; });
  words += "," + word_column(
                     "method", board, [](const BoardRow& r) -> auto& { return r.method; });
  words += "," + word_column(
                     "model", board, [](const BoardRow& r) -> auto& { return r.model; });
  words += "," + word_column(
                     "dataset", board, [](const BoardRow& r) -> auto& { return r.dataset; });
  words += "," + word_column("settings", board, [&](const BoardRow& r) -> const std::string& {
             const auto found = board.settings.find(r.configuration);
             return found == board.settings.end() ? none : found->second;
           });
  return fmt::format(
      "{{\"count\":{},\"made\":{},\"beside\":{},\"methods\":{},\"published\":{},\"contracts\":{},"
      "\"latency_"
      "kinds\":{},\"scales\":{},"
      "\"numbers\":{{{}}},\"words\":{{{}}}}}",
      board.rows.size(), text(config.made),
      text(Json{{"file", config.beside.first}, {"title", config.beside.second}}),
      text(methods_json(config)), text(published_json(store, config)), text(contracts.list),
      text(Json(board.latency_kinds)), text(n.scales()), n.columns(), words);
}

std::string changes_json(const Board& board, const std::vector<Change>& all) {
  std::unordered_map<int64_t, int64_t> configuration;
  for (const BoardRow& row : board.rows) configuration[row.id] = row.configuration;
  Json out = Json::array();
  for (const Change& c : all) {
    if (out.size() >= kMostChanges) break;
    out.push_back({{"kind", c.kind == Change::Kind::Regressed ? "regressed" : "improved"},
                   {"run", c.run},
                   {"before", c.before},
                   {"configuration", configuration[c.run]},
                   {"what", c.what},
                   {"sentence", c.sentence}});
  }
  return text(out);
}

// The runs whose details go along.
std::set<int64_t> detailed_runs(const Board& board, const std::vector<Change>& all, int64_t most) {
  std::set<int64_t> out;
  const auto full = [&] { return static_cast<int64_t>(out.size()) >= most; };
  for (const Change& c : all)
    if (c.kind == Change::Kind::Regressed && !full()) out.insert(c.run);
  std::map<std::tuple<std::string, std::string, std::string>, const BoardRow*> best;
  for (const BoardRow& row : board.rows) {
    if (row.status != "ok" || !row.top1()) continue;
    const BoardRow*& known = best[std::make_tuple(row.model, row.dataset, row.method)];
    if (known == nullptr || *row.top1() > *known->top1()) known = &row;
  }
  for (const auto& [key, row] : best)
    if (!full()) out.insert(row->id);
  for (auto row = board.rows.rbegin(); row != board.rows.rend() && !full(); ++row)
    out.insert(row->id);
  return out;
}

}  // namespace

std::string script_json(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (char c : json) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

std::string leaderboard_html(const Store& store, const LeaderboardConfig& config) {
  const SitePage& site = site_page();
  require(site.missing.empty(),
          "This quantbench was built without the leaderboard's page: {} Install nodejs and npm and "
          "build again.",
          site.missing);
  const Board board = read_board(store);
  const std::vector<Change> all = changes(board, "", false);
  std::string page = site.before;
  element(page, "runs", runs_json(store, board, config));
  element(page, "changes", changes_json(board, all));
  for (int64_t run : detailed_runs(board, all, config.details)) {
    Json details = details_json(store, run);
    details.erase("artefacts");
    element(page, fmt::format("run-{}", run), text(details));
  }
  page += site.after;
  return page;
}

}  // namespace quantbench
