// A comparison as a table: each reference, and below it what is compared with it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "results/compare/compare.h"
#include "results/tables/csv.h"
#include "results/tables/grid.h"

namespace quantbench {
namespace {

using Figure = std::optional<double> CandidateRun::*;

double mean_of(const Candidate& candidate, Figure figure) {
  std::vector<double> values;
  for (const CandidateRun& run : candidate.runs)
    if (const auto value = run.*figure) values.push_back(*value);
  return summarize(values).mean;
}

std::string number(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "";
}

std::string bits(double value) {
  if (!std::isfinite(value)) return "-";
  return std::abs(value - std::round(value)) < 0.005 ? fmt::format("{:.0f}", value)
                                                     : fmt::format("{:.2f}", value);
}

std::string bits_of(const Candidate& c) {
  return bits(mean_of(c, &CandidateRun::weight_bits)) + "/" +
         bits(mean_of(c, &CandidateRun::activation_bits));
}

std::string accuracy(const Summary& s) {
  std::string out = number(100 * s.mean, "{:.2f}");
  if (std::isfinite(s.std)) out += fmt::format(" \u00b1 {:.2f}", 100 * s.std);
  return out;
}

// Over seeds where there are several, else over samples.
struct Bounds {
  Interval interval{NAN, NAN};
  bool over_samples = false;
};

Bounds bounds_of(const Pair& pair) {
  if (pair.seeds > 1 && !pair.over_samples) return {mean_interval(pair.difference), false};
  if (pair.sample_interval) return {*pair.sample_interval, true};
  return {};
}

std::string difference(const Pair& pair) {
  if (pair.seeds == 0) return "";
  std::string out = fmt::format("{:+.2f}", 100 * pair.difference.mean);
  const Bounds bounds = bounds_of(pair);
  if (std::isfinite(bounds.interval.low))
    out += fmt::format(" [{:+.2f}, {:+.2f}]{}", 100 * bounds.interval.low,
                       100 * bounds.interval.high, bounds.over_samples ? "s" : "");
  return out;
}

std::string verdict(const Pair& pair) {
  std::string out;
  switch (pair.verdict) {
    case Verdict::Better:
    case Verdict::Worse:
      out = name_of(pair.verdict);
      break;
    case Verdict::NoDifference:
      out = "no difference";
      break;
    case Verdict::TooFewSeeds:
      out = fmt::format("{} of {} seeds", pair.seeds, pair.seeds_needed);
      break;
    case Verdict::NotPaired:
      out = "no common seed";
  }
  return pair.differs_in.empty() ? out : out + "!";
}

std::string ratio(const std::optional<RatioSummary>& r) {
  return r ? fmt::format("{:.2f}", r->ratio) : "";
}

std::optional<RatioSummary> package_time(const Pair& pair) {
  const bool timed = !pair.latencies.empty() && pair.latencies[0].what.rfind("package ", 0) == 0;
  return timed ? std::optional(pair.latencies[0].time) : std::nullopt;
}

Grid::Row row_of(const Candidate& c, const Summary& s, const Pair* pair) {
  return {{{bits_of(c)},
           {(pair ? "  " : "") + c.name},
           {std::to_string(s.n)},
           {accuracy(s), pair && pair->verdict == Verdict::Better},
           {pair ? difference(*pair) : ""},
           {pair ? verdict(*pair) : "reference"},
           {number(mean_of(c, &CandidateRun::size_bytes), "{:.0f}")},
           {pair ? ratio(pair->size) : ""},
           {number(mean_of(c, &CandidateRun::package_ms), "{:.3g}")},
           {pair ? ratio(package_time(*pair)) : ""}},
          false};
}

// The references from many bits to few, each once.
std::vector<size_t> references_of(const TaskComparison& task) {
  std::vector<size_t> out;
  for (const Pair& pair : task.pairs)
    if (std::find(out.begin(), out.end(), pair.reference) == out.end())
      out.push_back(pair.reference);
  const auto weight_bits = [&](size_t i) {
    return mean_of(task.candidates[i], &CandidateRun::weight_bits);
  };
  std::stable_sort(out.begin(), out.end(),
                   [&](size_t a, size_t b) { return weight_bits(a) > weight_bits(b); });
  return out;
}

Grid grid_of(const TaskComparison& task) {
  Grid grid;
  grid.title = fmt::format("{} on {}: {} in %", task.model, task.dataset, task.metric);
  grid.columns = {{"W/A"},
                  {"configuration", false, true},
                  {"n", true},
                  {"top-1", true},
                  {"difference", true},
                  {"verdict"},
                  {"bytes", true},
                  {"x", true},
                  {"ms", true},
                  {"x", true}};
  bool over_samples = false, unlike = false;
  for (size_t reference : references_of(task)) {
    Grid::Row first = row_of(task.candidates[reference], task.accuracy[reference], nullptr);
    first.rule = !grid.rows.empty();
    grid.rows.push_back(std::move(first));
    for (const Pair& pair : task.pairs) {
      if (pair.reference != reference) continue;
      grid.rows.push_back(
          row_of(task.candidates[pair.candidate], task.accuracy[pair.candidate], &pair));
      over_samples = over_samples || bounds_of(pair).over_samples;
      unlike = unlike || !pair.differs_in.empty();
    }
  }
  grid.notes = {"Differences in points with 95 % intervals, over paired seeds (Student).",
                "Bytes: the package file. ms: its latency. x: over the reference."};
  if (over_samples) grid.notes.push_back("s: over the test samples instead (paired bootstrap).");
  if (unlike)
    grid.notes.push_back("!: not like for like; --explain says what keeps the two from it.");
  for (const Candidate& c : task.candidates) {
    std::string left;
    for (const auto& [status, count] : c.left_out)
      left += fmt::format("{}{} {}", left.empty() ? "" : ", ", count, status);
    if (!left.empty()) grid.notes.push_back(fmt::format("{}: left out: {} seed(s).", c.name, left));
  }
  return grid;
}

std::string field(double value) { return std::isfinite(value) ? fmt::format("{}", value) : ""; }

std::string csv_of(const std::vector<TaskComparison>& tasks) {
  std::string out =
      "model,dataset,metric,reference,candidate,seeds,reference_mean,reference_std,candidate_mean,"
      "candidate_std,difference,low,high,over,p,p_holm,verdict,seeds_needed,size_ratio,bops_ratio,"
      "package_time_ratio,differs_in\n";
  for (const TaskComparison& task : tasks)
    for (const Pair& pair : task.pairs) {
      const Summary &a = task.accuracy[pair.reference], &b = task.accuracy[pair.candidate];
      const Bounds bounds = bounds_of(pair);
      const auto of_ratio = [](const std::optional<RatioSummary>& r) {
        return r ? field(r->ratio) : "";
      };
      std::vector<std::string> fields{task.model,
                                      task.dataset,
                                      task.metric,
                                      task.candidates[pair.reference].name,
                                      task.candidates[pair.candidate].name,
                                      std::to_string(pair.seeds),
                                      field(a.mean),
                                      field(a.std),
                                      field(b.mean),
                                      field(b.std),
                                      field(pair.difference.mean),
                                      field(bounds.interval.low),
                                      field(bounds.interval.high),
                                      bounds.over_samples ? "samples" : "seeds",
                                      field(pair.p),
                                      field(pair.p_holm),
                                      name_of(pair.verdict),
                                      std::to_string(pair.seeds_needed),
                                      of_ratio(pair.size),
                                      of_ratio(pair.bops),
                                      of_ratio(package_time(pair)),
                                      fmt::format("{}", fmt::join(pair.differs_in, "; "))};
      for (std::string& one : fields) one = csv_field(one);
      out += fmt::format("{}\n", fmt::join(fields, ","));
    }
  return out;
}

}  // namespace

std::string comparison_table(const std::vector<TaskComparison>& tasks, const std::string& format,
                             size_t width) {
  if (format == "csv") return csv_of(tasks);
  std::string out;
  for (const TaskComparison& task : tasks)
    out += (out.empty() ? "" : "\n") + render_grid(grid_of(task), format, width);
  return out;
}

}  // namespace quantbench
