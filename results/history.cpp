#include "results/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "base/text.h"

namespace quantbench {
namespace {

constexpr double kLarger = 1.01, kSlower = 1.1;

bool has_result(const BoardRow& row) { return row.status == "ok" || row.status == "mistrusted"; }

std::string name_of(const Board& board, const BoardRow& row) {
  const auto found = board.settings.find(row.configuration);
  return fmt::format("{} {}/{} seed {} {}", row.method, row.model, row.dataset, row.seed,
                     found == board.settings.end() ? "" : found->second);
}

struct Judge {
  const Board& board;
  const BoardRow &before, &now;
  std::vector<Change>& out;

  void add(bool worse, const std::string& sentence) {
    Change change;
    change.kind = worse ? Change::Kind::Regressed : Change::Kind::Improved;
    change.run = now.id;
    change.before = before.id;
    change.what = name_of(board, now);
    change.sentence = sentence;
    if (before.method_version != now.method_version)
      change.sentence += fmt::format(" The method's version went from {} to {}.",
                                     before.method_version, now.method_version);
    out.push_back(std::move(change));
  }

  void status() {
    const bool was = before.status == "ok", is = now.status == "ok";
    if (was != is) add(was, fmt::format("It was {} and is {}.", before.status, now.status));
  }

  void accuracy() {
    const auto a = before.top1(), b = now.top1();
    if (!a || !b) return;
    const auto samples =
        static_cast<double>(std::max<int64_t>(1, std::min(before.test_samples, now.test_samples)));
    const double noise = 2 * std::sqrt((*a * (1 - *a) + *b * (1 - *b)) / samples);
    if (std::abs(*a - *b) > noise)
      add(*b < *a, fmt::format("Top-1 went from {:.2f} % to {:.2f} %.", 100 * *a, 100 * *b));
  }

  void size() {
    const auto a = before.size_bytes, b = now.size_bytes;
    if (!a || !b) return;
    if (*b > kLarger * *a || *a > kLarger * *b)
      add(*b > *a, fmt::format("The package went from {:.0f} to {:.0f} bytes.", *a, *b));
  }

  // What a simulation takes is nobody's promise; the package's time is.
  void latency() {
    if (!now.latency_shipped || before.latency_kind != now.latency_kind) return;
    const bool slower =
        now.latency_ms > kSlower * before.latency_ms && now.latency_low > before.latency_high;
    const bool faster =
        before.latency_ms > kSlower * now.latency_ms && before.latency_low > now.latency_high;
    if (slower || faster)
      add(slower,
          fmt::format("Its latency went from {:.3f} to {:.3f} ms: {}.", before.latency_ms,
                      now.latency_ms, board.latency_kinds[static_cast<size_t>(now.latency_kind)]));
  }
};

void judge(const Board& board, const BoardRow& before, const BoardRow& now,
           std::vector<Change>& out) {
  Judge one{board, before, now, out};
  one.status();
  if (!has_result(now)) return;
  one.accuracy();
  one.size();
  one.latency();
}

Change first_run(const Board& board, const BoardRow& row) {
  Change out;
  out.run = row.id;
  out.what = name_of(board, row);
  const auto top1 = row.top1();
  out.sentence = fmt::format("Its first run on this data and machine: {}{}.", row.status,
                             top1 ? fmt::format(", top-1 {:.2f} %", 100 * *top1) : "");
  return out;
}

std::string markdown(const std::string& text) {
  std::string out;
  for (char c : printable_line(text)) {
    if (std::string("\\|<>*_[]`").find(c) != std::string::npos) out += '\\';
    out += c;
  }
  return out;
}

const char* word(Change::Kind kind) {
  static constexpr const char* words[] = {"regressed", "improved", "new"};
  return words[static_cast<size_t>(kind)];
}

std::string markdown_changes(const std::vector<Change>& changes) {
  std::string out;
  for (const auto kind : {Change::Kind::Regressed, Change::Kind::Improved, Change::Kind::New}) {
    const auto count = std::count_if(changes.begin(), changes.end(),
                                     [&](const Change& c) { return c.kind == kind; });
    out += fmt::format("{}## {} {}\n\n", out.empty() ? "" : "\n", count, word(kind));
    for (const Change& c : changes)
      if (c.kind == kind)
        out += fmt::format("- run {}{}: {}. {}\n", c.run,
                           c.before ? fmt::format(" (before: {})", c.before) : "", markdown(c.what),
                           markdown(c.sentence));
  }
  return out;
}

}  // namespace

std::vector<Change> changes(const Board& board, const std::string& since, bool with_new) {
  const int64_t from = since.empty() ? -1 : seconds_of(since);
  require(
      since.empty() || from >= 0,
      "Option --since takes a day or time such as 2026-01-31 or 2026-01-31T03:00:00Z, not '{}'.",
      since);
  // Newest first within what may be compared, so that each begins with its newest run.
  std::vector<const BoardRow*> order;
  order.reserve(board.rows.size());
  for (const BoardRow& row : board.rows)
    if (row.status != "running" && row.status != "interrupted") order.push_back(&row);
  std::sort(order.begin(), order.end(), [](const BoardRow* a, const BoardRow* b) {
    return std::tie(a->configuration, a->seed, a->data, a->machine, b->started, b->id) <
           std::tie(b->configuration, b->seed, b->data, b->machine, a->started, a->id);
  });
  std::vector<Change> out;
  for (auto now = order.begin(); now != order.end();) {
    const auto end = std::find_if(now, order.end(), [&](const BoardRow* row) {
      return std::tie(row->configuration, row->seed, row->data, row->machine) !=
             std::tie((*now)->configuration, (*now)->seed, (*now)->data, (*now)->machine);
    });
    const auto before =
        std::find_if(now + 1, end, [](const BoardRow* row) { return has_result(*row); });
    if ((*now)->started >= from && before != end) judge(board, **before, **now, out);
    if ((*now)->started >= from && before == end && with_new)
      out.push_back(first_run(board, **now));
    now = end;
  }
  return out;
}

bool any_regressed(const std::vector<Change>& changes) {
  return std::any_of(changes.begin(), changes.end(),
                     [](const Change& c) { return c.kind == Change::Kind::Regressed; });
}

std::string render_changes(const std::vector<Change>& changes, const std::string& format) {
  if (format == "json") {
    auto out = nlohmann::ordered_json::array();
    for (const Change& c : changes)
      out.push_back({{"kind", word(c.kind)},
                     {"run", c.run},
                     {"before", c.before ? nlohmann::ordered_json(c.before) : nullptr},
                     {"what", c.what},
                     {"sentence", c.sentence}});
    return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  if (format == "markdown") return printable(markdown_changes(changes));
  require(format == "text", "Changes are written as text, markdown or json, not '{}'.", format);
  std::string out;
  for (const Change& c : changes)
    out += fmt::format("{:<10} run {}: {}: {}\n", word(c.kind), c.run, printable_line(c.what),
                       printable_line(c.sentence));
  return printable(out);
}

}  // namespace quantbench
