#include "results/board_grid.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "results/contract_rows.h"

namespace quantbench {
namespace {

constexpr const char* kNone = "-";

std::string number(const std::optional<double>& value, const char* format) {
  return value ? fmt::format(fmt::runtime(format), *value) : kNone;
}

// "12,345".
std::string grouped(const std::optional<double>& value) {
  if (!value) return kNone;
  std::string out = fmt::format("{:.0f}", *value);
  for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3)
    out.insert(static_cast<size_t>(at), ",");
  return out;
}

// The budget of mean weight bits that a configuration keeps: whole bits, 32 from 16 on.
int budget_of(const BoardEntry& e) {
  const double bits = e.weight_bits.value_or(32);
  return bits >= 16 ? 32 : std::max(1, static_cast<int>(std::floor(bits + 1e-9)));
}

std::string letter(int group) {
  std::string out(1, static_cast<char>('A' + group % 26));
  return group < 26 ? out : letter(group / 26 - 1) + out;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::string key_of(const std::string& setting) { return setting.substr(0, setting.find('=')); }

// The settings in which entries of one method differ; bits have columns of their own.
std::map<std::string, std::set<std::string>> telling_keys(const std::vector<BoardEntry>& entries) {
  std::map<std::string, std::map<std::string, std::set<std::string>>> values;
  for (const BoardEntry& e : entries)
    for (const std::string& setting : words(e.settings))
      values[e.method][key_of(setting)].insert(setting);
  std::map<std::string, std::set<std::string>> out;
  for (const auto& [method, keys] : values)
    for (const auto& [key, spellings] : keys)
      if (spellings.size() > 1 && key != "weight_bits" && key != "activation_bits")
        out[method].insert(key);
  return out;
}

std::string shown_settings(const BoardEntry& e, const std::set<std::string>& telling) {
  std::string out;
  for (const std::string& setting : words(e.settings))
    if (telling.count(key_of(setting))) out += (out.empty() ? "" : " ") + setting;
  return out;
}

std::string accuracy(const BoardEntry& e) {
  std::string out = fmt::format("{:.2f}", 100 * e.mean);
  if (e.deviation) out += fmt::format(" ± {:.2f}", 100 * *e.deviation);
  return out;
}

std::string published_of(const BoardEntry& e,
                         const std::map<int64_t, std::vector<BoardFigure>>& published) {
  const auto found = published.find(e.configuration);
  if (found == published.end()) return kNone;
  std::set<std::string> out;
  for (const BoardFigure& figure : found->second)
    out.insert(fmt::format("{:.2f}{}", figure.value, figure.second_hand ? "*" : ""));
  return fmt::format("{}", fmt::join(out, ", "));
}

// Larger groups first, few bits last, the best first.
bool before(const BoardEntry& a, const BoardEntry& b) {
  if (budget_of(a) != budget_of(b)) return budget_of(a) > budget_of(b);
  if (a.group != b.group) return a.group < b.group;
  return a.mean > b.mean;
}

// The size of the float package of this task; 0: there is none.
double float_size(const std::vector<BoardEntry>& entries) {
  double out = 0;
  for (const BoardEntry& e : entries)
    if (budget_of(e) == 32) out = std::max(out, e.size_bytes.value_or(0));
  return out;
}

// The kinds of latency among the entries, numbered from 1 in the order of the list.
std::vector<int64_t> latency_kinds(const std::vector<BoardEntry>& entries) {
  std::vector<int64_t> out;
  for (const BoardEntry& e : entries)
    if (e.latency_kind >= 0 && std::find(out.begin(), out.end(), e.latency_kind) == out.end())
      out.push_back(e.latency_kind);
  return out;
}

// "0.116", with the number of its kind where there are several.
std::string latency_of(const BoardEntry& e, const std::vector<int64_t>& kinds) {
  if (!e.latency_ms) return kNone;
  const auto kind = std::find(kinds.begin(), kinds.end(), e.latency_kind) - kinds.begin();
  return fmt::format("{:.3f}{}", *e.latency_ms,
                     kinds.size() > 1 ? fmt::format(" ({})", kind + 1) : "");
}

std::vector<std::string> notes_of(const Board& board, const std::vector<BoardEntry>& entries,
                                  bool second_hand) {
  std::vector<std::string> out;
  std::map<int, const BoardEntry*> groups;
  for (const BoardEntry& e : entries) groups.emplace(e.group, &e);
  if (groups.size() > 1) {
    out.push_back("Rows of different groups are not like for like and have no place together:");
    const Contract& first = board.contracts.at(groups.begin()->second->runs[0]->contract);
    for (const auto& [group, entry] : groups) {
      if (group == groups.begin()->first) continue;
      const auto found = differences(first, board.contracts.at(entry->runs[0]->contract));
      out.push_back(fmt::format("{} differs from {} in {}.", letter(group),
                                letter(groups.begin()->first),
                                found.empty() ? "data, test samples or FP32 accuracy"
                                              : fmt::format("{}", fmt::join(found, ", "))));
    }
  }
  const std::vector<int64_t> kinds = latency_kinds(entries);
  for (size_t i = 0; i < kinds.size(); ++i)
    out.push_back(fmt::format("{}: {}.",
                              kinds.size() > 1 ? fmt::format("Latency ({})", i + 1) : "Latency",
                              board.latency_kinds[static_cast<size_t>(kinds[i])]));
  if (second_hand) out.push_back("* not read in the paper itself.");
  return out;
}

}  // namespace

std::vector<Grid> board_grids(const Store& store, const Board& board,
                              const std::vector<BoardEntry>& all,
                              const std::map<std::string, std::vector<BoardFigure>>& published) {
  std::map<int64_t, std::vector<BoardFigure>> by_configuration;
  for (const auto& [digest, figures] : published)
    if (const auto id = row_with(store.connection(), "configurations", digest))
      by_configuration[*id] = figures;
  std::map<std::pair<std::string, std::string>, std::vector<BoardEntry>> tasks;
  for (const BoardEntry& e : all) tasks[{e.model, e.dataset}].push_back(e);
  std::vector<Grid> out;
  for (auto& [task, entries] : tasks) {
    std::stable_sort(entries.begin(), entries.end(), before);
    const auto telling = telling_keys(entries);
    const double whole = float_size(entries);
    const std::vector<int64_t> kinds = latency_kinds(entries);
    Grid grid;
    grid.title = fmt::format("{} on {}", task.first, task.second);
    grid.columns = {{"group"},
                    {"place", true},
                    {"method", false, true},
                    {"settings", false, true},
                    {"W/A bits", true},
                    {"top-1 %", true},
                    {"n", true},
                    {"to FP32", true},
                    {"published", true},
                    {"bytes", true},
                    {"smaller", true},
                    {"latency ms", true},
                    {"faster", true}};
    bool second_hand = false;
    int place = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      const BoardEntry& e = entries[i];
      const bool section = i > 0 && budget_of(entries[i - 1]) != budget_of(e);
      const bool first = i == 0 || section || entries[i - 1].group != e.group;
      place = first ? 1 : place + 1;
      const bool rivals = i + 1 < entries.size() && entries[i + 1].group == e.group &&
                          budget_of(entries[i + 1]) == budget_of(e);
      const auto keys = telling.find(e.method);
      const std::string figure = published_of(e, by_configuration);
      second_hand = second_hand || figure.find('*') != std::string::npos;
      grid.rows.push_back(
          {{{letter(e.group)},
            {std::to_string(place)},
            {e.method},
            {keys == telling.end() ? "" : shown_settings(e, keys->second)},
            {number(e.weight_bits, "{:.3g}") + "/" + number(e.activation_bits, "{:.3g}")},
            {accuracy(e), first && rivals},
            {std::to_string(e.runs.size())},
            {e.fp32 ? fmt::format("{:+.2f}", 100 * (e.mean - *e.fp32)) : kNone},
            {figure},
            {grouped(e.size_bytes)},
            {whole > 0 && e.size_bytes ? fmt::format("{:.1f}x", whole / *e.size_bytes) : kNone},
            {latency_of(e, kinds)},
            {e.speed_up ? fmt::format("{:.2f}x", *e.speed_up) : kNone}},
           section});
    }
    grid.notes = notes_of(board, entries, second_hand);
    out.push_back(std::move(grid));
  }
  return out;
}

}  // namespace quantbench
