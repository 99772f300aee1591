#include "results/entries.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace quantbench {
namespace {

using Task = std::pair<std::string, std::string>;

struct Pool {
  Task task;
  GroupKey group;
  std::map<int64_t, const BoardRow*> seeds;
};

std::optional<double> mean_of(const std::vector<const BoardRow*>& runs,
                              std::optional<double> BoardRow::*field) {
  double sum = 0;
  int64_t count = 0;
  for (const BoardRow* run : runs)
    if (run->*field) {
      sum += *(run->*field);
      ++count;
    }
  return count > 0 ? std::optional(sum / static_cast<double>(count)) : std::nullopt;
}

// Of the kind that most of its runs were timed in.
void take_latency(BoardEntry& entry) {
  struct Times {
    double ms = 0, fp32 = 0;
    int64_t count = 0;
  };
  std::map<int64_t, Times> kinds;
  for (const BoardRow* run : entry.runs)
    if (run->latency_kind >= 0) {
      Times& times = kinds[run->latency_kind];
      times.ms += run->latency_ms;
      times.fp32 += run->latency_fp32_ms;
      ++times.count;
    }
  int64_t most = 0;
  for (const auto& [kind, times] : kinds)
    if (times.count > most) {
      most = times.count;
      entry.latency_kind = kind;
      entry.latency_ms = times.ms / static_cast<double>(times.count);
      entry.speed_up =
          times.fp32 > 0 && times.ms > 0 ? std::optional(times.fp32 / times.ms) : std::nullopt;
    }
}

BoardEntry entry_of(const Pool& pool, const Board& board) {
  BoardEntry out;
  for (const auto& [seed, run] : pool.seeds) out.runs.push_back(run);
  const BoardRow& first = *out.runs.front();
  out.method = first.method;
  std::tie(out.model, out.dataset) = pool.task;
  const auto settings = board.settings.find(first.configuration);
  if (settings != board.settings.end()) out.settings = settings->second;
  const auto count = static_cast<double>(out.runs.size());
  for (const BoardRow* run : out.runs) out.mean += *run->top1() / count;
  if (out.runs.size() > 1) {
    double squares = 0;
    for (const BoardRow* run : out.runs) squares += std::pow(*run->top1() - out.mean, 2);
    out.deviation = std::sqrt(squares / (count - 1));
  }
  out.configuration = first.configuration;
  out.fp32 = mean_of(out.runs, &BoardRow::top1_fp32);
  out.weight_bits = mean_of(out.runs, &BoardRow::weight_bits);
  out.activation_bits = mean_of(out.runs, &BoardRow::activation_bits);
  out.size_bytes = mean_of(out.runs, &BoardRow::size_bytes);
  out.bops = mean_of(out.runs, &BoardRow::bops);
  take_latency(out);
  return out;
}

bool newer(const BoardRow& a, const BoardRow& b) {
  return std::pair(a.started, a.id) > std::pair(b.started, b.id);
}

}  // namespace

GroupKey group_of(const BoardRow& row, const Contract& c) {
  const bool fixed = c.baseline.rfind("weights ", 0) == 0 &&
                     c.baseline.find(" epochs (") == std::string::npos && row.top1_fp32;
  return {row.contract, row.data, row.test_samples,
          fixed ? std::llround(1e4 * *row.top1_fp32) : -1};
}

std::vector<BoardEntry> board_entries(const Board& board) {
  std::map<std::tuple<int64_t, int64_t, GroupKey>, Pool> pools;
  for (const BoardRow& row : board.rows) {
    const auto contract = board.contracts.find(row.contract);
    if (row.status != "ok" || !row.top1() || contract == board.contracts.end()) continue;
    const GroupKey group = group_of(row, contract->second);
    Pool& pool = pools[{row.configuration, row.method_version, group}];
    pool.task = {row.model, row.dataset};
    pool.group = group;
    const BoardRow*& known = pool.seeds[row.seed];
    if (known == nullptr || newer(row, *known)) known = &row;
  }
  std::map<Task, std::map<GroupKey, std::vector<const Pool*>>> tasks;
  for (const auto& [key, pool] : pools) tasks[pool.task][pool.group].push_back(&pool);
  std::vector<BoardEntry> out;
  for (const auto& [task, groups] : tasks) {
    std::vector<std::vector<const Pool*>> by_size;
    for (const auto& [key, members] : groups) by_size.push_back(members);
    std::stable_sort(by_size.begin(), by_size.end(),
                     [](const auto& a, const auto& b) { return a.size() > b.size(); });
    for (size_t group = 0; group < by_size.size(); ++group)
      for (const Pool* pool : by_size[group]) {
        out.push_back(entry_of(*pool, board));
        out.back().group = static_cast<int>(group);
      }
  }
  return out;
}

std::vector<size_t> pareto_front(const std::vector<BoardEntry>& entries,
                                 std::optional<double> BoardEntry::*cost) {
  std::vector<size_t> order;
  for (size_t i = 0; i < entries.size(); ++i)
    if (entries[i].*cost) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const BoardEntry &x = entries[a], &y = entries[b];
    return std::pair(*(x.*cost), -x.mean) < std::pair(*(y.*cost), -y.mean);
  });
  std::vector<size_t> out;
  double best = -1;
  for (size_t i : order) {
    if (entries[i].mean <= best) continue;
    best = entries[i].mean;
    out.push_back(i);
  }
  return out;
}

}  // namespace quantbench
