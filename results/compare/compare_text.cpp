// How a comparison is told: as text for a terminal, and as JSON.
#include <fmt/format.h>

#include <cmath>

#include "base/text.h"
#include "results/compare/compare.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

std::string letter(size_t index) {
  std::string out(1, static_cast<char>('A' + index % 26));
  return index < 26 ? out : out + std::to_string(index / 26);
}

std::string percent(double share) {
  return std::isnan(share) ? "-" : fmt::format("{:.2f}", 100 * share);
}

double mean_of(const Candidate& candidate, std::optional<double> CandidateRun::*figure) {
  std::vector<double> values;
  for (const CandidateRun& run : candidate.runs)
    if (const auto value = run.*figure) values.push_back(*value);
  return summarize(values).mean;
}

std::string number(double value, const char* format) {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(format), value);
}

std::string left_out(const Candidate& candidate) {
  std::string out;
  for (const auto& [status, count] : candidate.left_out)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, status);
  return out.empty() ? "" : fmt::format("  (left out: {} seed(s))", out);
}

std::string interval(const Interval& bounds, const char* format) {
  if (std::isnan(bounds.low)) return "";
  return fmt::format(" [{}, {}]", fmt::format(fmt::runtime(format), bounds.low),
                     fmt::format(fmt::runtime(format), bounds.high));
}

std::string ratio(const char* what, const std::optional<RatioSummary>& r) {
  if (!r) return "";
  return fmt::format("  {} x{:.3f}{}", what, r->ratio, interval(r->interval, "{:.3f}"));
}

std::string samples_line(const Pair& pair) {
  std::string out;
  if (pair.sample_interval)
    out = fmt::format("     over samples: {:+.2f}..{:+.2f} points (paired bootstrap, 95 %)",
                      100 * pair.sample_interval->low, 100 * pair.sample_interval->high);
  if (pair.mcnemar.size() == 1) {
    out += fmt::format(", McNemar p = {:.2g}", pair.mcnemar[0]);
  } else if (!pair.mcnemar.empty()) {
    int64_t below = 0;
    for (double p : pair.mcnemar) below += p <= 0.05;
    out += fmt::format(", McNemar p <= 0.05 for {} of {} seeds", below, pair.mcnemar.size());
  }
  return out.empty() ? out : out + "\n";
}

std::string pair_text(const Pair& pair) {
  std::string out = fmt::format("\n{} against {}: {}\n", letter(pair.candidate),
                                letter(pair.reference), pair.sentence);
  if (pair.seeds > 0)
    out += fmt::format(
        "     over seeds: {:+.2f}{} points (n = {}), sign-flip p = {:.3g}, Holm {:.3g}\n",
        100 * pair.difference.mean,
        pair.seeds > 1 ? " +- " + percent(pair.difference.std) : std::string(), pair.seeds, pair.p,
        pair.p_holm);
  out += samples_line(pair);
  const std::string ratios = ratio("size", pair.size) + ratio("BOPs", pair.bops);
  if (!ratios.empty()) out += "   " + ratios + "\n";
  for (const LatencyRatio& l : pair.latencies)
    out += fmt::format("     time x{:.3f}{}: {}\n", l.time.ratio,
                       interval(l.time.interval, "{:.3f}"), l.what);
  return out;
}

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json summary(const Summary& s) {
  return {{"n", s.n}, {"mean", finite(s.mean)}, {"std", finite(s.std)}};
}

Json ratio_json(const std::optional<RatioSummary>& r) {
  if (!r) return nullptr;
  return {{"ratio", finite(r->ratio)},
          {"low", finite(r->interval.low)},
          {"high", finite(r->interval.high)}};
}

Json candidate_json(const Candidate& c, const Summary& accuracy) {
  Json runs = Json::array();
  for (const CandidateRun& run : c.runs) runs.push_back({{"run", run.id}, {"seed", run.seed}});
  return {{"name", c.name},
          {"method", c.method},
          {"method_version", c.method_version},
          {"accuracy", summary(accuracy)},
          {"top1_fp32", finite(mean_of(c, &CandidateRun::top1_fp32))},
          {"size_bytes", finite(mean_of(c, &CandidateRun::size_bytes))},
          {"bops", finite(mean_of(c, &CandidateRun::bops))},
          {"weight_bits_average", finite(mean_of(c, &CandidateRun::weight_bits))},
          {"runs", runs},
          {"left_out", c.left_out}};
}

Json pair_json(const TaskComparison& task, const Pair& pair) {
  Json out{{"reference", task.candidates[pair.reference].name},
           {"candidate", task.candidates[pair.candidate].name},
           {"verdict", name_of(pair.verdict)},
           {"sentence", pair.sentence},
           {"differs_in", pair.differs_in},
           {"difference", summary(pair.difference)},
           {"p", finite(pair.p)},
           {"p_holm", finite(pair.p_holm)},
           {"seeds_needed", pair.seeds_needed},
           {"mcnemar_p", pair.mcnemar}};
  out["sample_interval"] = pair.sample_interval ? Json{{"low", pair.sample_interval->low},
                                                       {"high", pair.sample_interval->high}}
                                                : Json(nullptr);
  out["size_ratio"] = ratio_json(pair.size);
  out["bops_ratio"] = ratio_json(pair.bops);
  Json& times = out["time_ratios"] = Json::array();
  for (const LatencyRatio& l : pair.latencies) {
    Json one = ratio_json(l.time);
    one["what"] = l.what;
    times.push_back(one);
  }
  return out;
}

}  // namespace

nlohmann::ordered_json comparison_json(const std::vector<TaskComparison>& tasks) {
  Json out = Json::array();
  for (const TaskComparison& task : tasks) {
    Json one{{"model", task.model}, {"dataset", task.dataset}, {"metric", task.metric}};
    Json& candidates = one["candidates"] = Json::array();
    for (size_t i = 0; i < task.candidates.size(); ++i)
      candidates.push_back(candidate_json(task.candidates[i], task.accuracy[i]));
    Json& pairs = one["pairs"] = Json::array();
    for (const Pair& pair : task.pairs) pairs.push_back(pair_json(task, pair));
    out.push_back(std::move(one));
  }
  return out;
}

std::string comparison_text(const std::vector<TaskComparison>& tasks) {
  std::string out;
  for (const TaskComparison& task : tasks) {
    out += fmt::format("{}{} on {}: {} in %\n", out.empty() ? "" : "\n", task.model, task.dataset,
                       task.metric);
    out += fmt::format("{:>2} {:>3} {:>7} {:>6} {:>7} {:>10} {:>13} {:>6}  {}\n", "", "n", "mean",
                       "std", "FP32", "bytes", "BOPs", "bits", "configuration");
    for (size_t i = 0; i < task.candidates.size(); ++i) {
      const Candidate& c = task.candidates[i];
      out += fmt::format(
          "{:>2} {:>3} {:>7} {:>6} {:>7} {:>10} {:>13} {:>6}  {}{}\n", letter(i),
          task.accuracy[i].n, percent(task.accuracy[i].mean), percent(task.accuracy[i].std),
          percent(mean_of(c, &CandidateRun::top1_fp32)),
          number(mean_of(c, &CandidateRun::size_bytes), "{:.0f}"),
          number(mean_of(c, &CandidateRun::bops), "{:.4g}"),
          number(mean_of(c, &CandidateRun::weight_bits), "{:.2f}"), c.name, left_out(c));
    }
    for (const Pair& pair : task.pairs) out += pair_text(pair);
  }
  return printable(out);
}

}  // namespace quantbench
