#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "results/plots/gnuplot.h"
#include "results/plots/plots.h"

namespace quantbench {
namespace {

using Cost = std::optional<double> BoardEntry::*;

struct Axis {
  Cost cost;
  const char* title;
};

Axis axis_of(const std::string& cost) {
  if (cost == "size") return {&BoardEntry::size_bytes, "package size, bytes"};
  if (cost == "bops") return {&BoardEntry::bops, "bit operations of one sample"};
  if (cost == "latency") return {&BoardEntry::latency_ms, "latency, ms"};
  fail("There is no cost '{}'; they are size, bops and latency.", cost);
}

// Only entries with the cost; of times, those of the kind that most have. Returns that kind.
int64_t keep_comparable(std::vector<BoardEntry>& entries, const std::string& cost, Cost field) {
  std::map<int64_t, int64_t> kinds;
  for (const BoardEntry& e : entries)
    if (e.*field) ++kinds[e.latency_kind];
  require(!kinds.empty(), "No finished run of this task has a figure for its {}.", cost);
  const auto most = std::max_element(
      kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const int64_t kind = most->first;
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [&](const BoardEntry& e) {
                                 return !(e.*field) || *(e.*field) <= 0 ||
                                        (cost == "latency" && e.latency_kind != kind);
                               }),
                entries.end());
  require(!entries.empty(), "No finished run of this task has a figure for its {}.", cost);
  return kind;
}

std::string mark(const BoardEntry& e, Cost cost) {
  return fmt::format("{:.9g}\t{:.6g}\t{:.6g}", *(e.*cost), 100 * e.mean,
                     100 * e.deviation.value_or(0));
}

// The front as the corners of a staircase that goes on to the right edge.
std::vector<std::string> stairs(const std::vector<BoardEntry>& group, Cost cost, double edge) {
  std::vector<std::string> out;
  for (const size_t i : pareto_front(group, cost)) out.push_back(mark(group[i], cost));
  if (!out.empty()) {
    const BoardEntry& last = group[pareto_front(group, cost).back()];
    out.push_back(fmt::format("{:.9g}\t{:.6g}\t0", edge, 100 * last.mean));
  }
  return out;
}

}  // namespace

std::string pareto_script(std::vector<BoardEntry> entries, const Board& board,
                          const std::string& cost) {
  const Axis axis = axis_of(cost);
  const int64_t kind = keep_comparable(entries, cost, axis.cost);
  double low = 1e300, high = 0;
  int largest = entries.front().group;
  for (const BoardEntry& e : entries) {
    low = std::min(low, *(e.*axis.cost));
    high = std::max(high, *(e.*axis.cost));
    largest = std::min(largest, e.group);
  }
  std::vector<BoardEntry> group;
  std::set<std::string> methods;
  for (const BoardEntry& e : entries) {
    methods.insert(e.method);
    if (e.group == largest) group.push_back(e);
  }
  std::string out = plot_block("front", stairs(group, axis.cost, 1.15 * high));
  std::vector<std::string> curves{
      "$front using 1:2 with steps lw 1.5 dt 2 lc rgb '#7a7a7a' title \"Pareto front\""};
  std::vector<std::string> labels;
  for (const size_t i : pareto_front(group, axis.cost))
    labels.push_back(fmt::format("{:.9g}\t{:.6g}\t{:.2g} b", *(group[i].*axis.cost),
                                 100 * group[i].mean, group[i].weight_bits.value_or(32)));
  size_t place = 0;
  for (const std::string& method : methods) {
    std::vector<std::string> own, others, spread;
    for (const BoardEntry& e : entries) {
      if (e.method != method) continue;
      (e.group == largest ? own : others).push_back(mark(e, axis.cost));
      if (e.deviation && e.group == largest) spread.push_back(mark(e, axis.cost));
    }
    const auto add = [&](const char* what, const std::vector<std::string>& lines, const char* how,
                         int shape, const std::string& title) {
      if (lines.empty()) return;
      const std::string block = fmt::format("{}{}", what, place);
      out += plot_block(block, lines);
      curves.push_back(fmt::format("${} using {} pt {} ps 1.1 lc {} {}", block, how, shape,
                                   plot_color(place), title));
    };
    const std::string name = plot_string(method, 40);
    const std::string hollow = own.empty() ? "title " + plot_string(method + " (other groups)", 60)
                                           : std::string("notitle");
    add("spread", spread, "1:2:3 with yerrorbars", plot_shape(place), "notitle");
    add("own", own, "1:2 with points", plot_shape(place), "title " + name);
    add("other", others, "1:2 with points", plot_shape(place) - 1, hollow);
    ++place;
  }
  if (!labels.empty()) {
    out += plot_block("labels", labels);
    curves.push_back(
        "$labels using 1:2:3 with labels left offset 0.7,0.7 font \",9\" textcolor rgb '#444444' "
        "notitle");
  }
  const BoardEntry& any = entries.front();
  out += "set title " + plot_string(any.model + " on " + any.dataset) + "\n";
  std::string title = axis.title;
  if (cost == "latency" && kind >= 0)
    title += ": " + board.latency_kinds[static_cast<size_t>(kind)];
  out += fmt::format("set xlabel {}\nset ylabel \"top-1, %\"\n", plot_string(title, 110));
  out += fmt::format("set logscale x\nset xtics {}\nset xrange [{:.9g}:{:.9g}]\n",
                     logarithmic_ticks(low, high), low / 1.15, high * 1.25);
  out +=
      "set key tmargin center horizontal\nset grid lt 1 lw 0.7 lc rgb '#dddddd'\nset offsets 0, 0, "
      "graph 0.06, graph "
      "0.06\n";
  return out + fmt::format("plot {}\n", fmt::join(curves, ", \\\n  "));
}

}  // namespace quantbench
