#include "results/compare/compare.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "results/sqlite.h"

namespace quantbench {
namespace {

constexpr size_t kMostPairs = 200;

struct Paired {
  const CandidateRun *reference, *candidate;
};

std::vector<Paired> common_seeds(const Candidate& a, const Candidate& b) {
  std::vector<Paired> out;
  for (const CandidateRun& left : a.runs)
    for (const CandidateRun& right : b.runs)
      if (left.seed == right.seed) out.push_back({&left, &right});
  return out;
}

std::optional<double> accuracy_of(const CandidateRun& run, const std::string& metric) {
  return metric == "top1_shipped" ? run.top1_shipped : run.top1_simulated;
}

std::string metric_of(const std::vector<Candidate>& candidates) {
  for (const Candidate& c : candidates)
    for (const CandidateRun& run : c.runs)
      if (!run.top1_shipped) return "top1_simulated";
  return "top1_shipped";
}

Summary accuracy_summary(const Candidate& candidate, const std::string& metric) {
  std::vector<double> values;
  for (const CandidateRun& run : candidate.runs)
    if (const auto value = accuracy_of(run, metric)) values.push_back(*value);
  return summarize(values);
}

// Baselines of one recipe may still differ (another machine, another weight file of that name).
void check_baselines(const std::vector<Paired>& pairs, std::vector<std::string>& out) {
  double left = 0, right = 0, count = 0;
  for (const Paired& pair : pairs) {
    if (!pair.reference->top1_fp32 || !pair.candidate->top1_fp32) continue;
    left += *pair.reference->top1_fp32;
    right += *pair.candidate->top1_fp32;
    ++count;
  }
  if (count == 0) return;
  const std::string a = fmt::format("{:.2f} %", 100 * left / count),
                    b = fmt::format("{:.2f} %", 100 * right / count);
  if (a != b) out.push_back(fmt::format("FP32 accuracy ({} / {})", a, b));
}

std::vector<std::string> contract_differences(const Store& store, const Candidate& a,
                                              const Candidate& b,
                                              const std::vector<Paired>& pairs) {
  std::set<std::pair<int64_t, int64_t>> contracts;
  for (const Paired& pair : pairs)
    contracts.insert({pair.reference->contract, pair.candidate->contract});
  if (pairs.empty() && !a.runs.empty() && !b.runs.empty())
    contracts.insert({a.runs[0].contract, b.runs[0].contract});
  std::vector<std::string> out;
  for (const auto& [left, right] : contracts) {
    if (left == right) continue;
    for (std::string& one : differences(contract_row(store, left), contract_row(store, right)))
      if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(std::move(one));
  }
  check_baselines(pairs, out);
  if (a.method == b.method) {
    const std::string left = short_plugin(configuration_recipe(store, a.configuration)),
                      right = short_plugin(configuration_recipe(store, b.configuration));
    if (left != right)
      out.push_back(fmt::format("plug-in ({} / {})", left.empty() ? "none" : left,
                                right.empty() ? "none" : right));
  }
  for (const Paired& pair : pairs) {
    if (pair.reference->fingerprint != pair.candidate->fingerprint)
      out.push_back(fmt::format("data (seed {})", pair.reference->seed));
    if (pair.reference->test_samples != pair.candidate->test_samples)
      out.push_back(fmt::format("test samples ({} / {})", pair.reference->test_samples,
                                pair.candidate->test_samples));
  }
  std::vector<std::string> once;
  for (std::string& one : out)
    if (std::find(once.begin(), once.end(), one) == once.end()) once.push_back(std::move(one));
  return once;
}

// What runs answered, unpacked once for all pairs that a run is in.
class Answers {
 public:
  Answers(const Store& store, const std::string& metric)
      : store_(store), kind_(metric == "top1_shipped" ? "shipped" : "simulated") {}

  // Null when the run's answers were not kept.
  const PredictionRow* of(int64_t run) {
    const auto [found, fresh] = known_.try_emplace(run);
    if (fresh)
      for (PredictionRow& row : store_.predictions(run))
        if (row.kind == kind_) found->second = std::move(row);
    return found->second ? &*found->second : nullptr;
  }

 private:
  const Store& store_;
  std::string kind_;
  std::map<int64_t, std::optional<PredictionRow>> known_;
};

// McNemar and bootstrap, where both answered the same samples under the same targets for every
// seed.
void add_sample_tests(Answers& answers, const std::vector<Paired>& pairs, Pair& out) {
  const PredictionRow* first = nullptr;
  std::vector<double> differences;  // of a sample: summed over seeds
  std::vector<double> mcnemar;
  for (const Paired& pair : pairs) {
    const PredictionRow *a = answers.of(pair.reference->id), *b = answers.of(pair.candidate->id);
    if (a == nullptr || b == nullptr || a->sample.empty()) return;
    if (first == nullptr) first = a;
    if (pair.reference->fingerprint != pair.candidate->fingerprint || a->target != b->target ||
        a->sample != b->sample || a->sample != first->sample)
      return;
    differences.resize(a->sample.size(), 0);
    int64_t only_a = 0, only_b = 0;
    for (size_t i = 0; i < a->sample.size(); ++i) {
      const bool left = a->predicted[i] == a->target[i], right = b->predicted[i] == b->target[i];
      only_a += left && !right;
      only_b += right && !left;
      differences[i] += static_cast<double>(right) - static_cast<double>(left);
    }
    mcnemar.push_back(mcnemar_p(only_a, only_b));
  }
  if (mcnemar.empty()) return;
  for (double& sum : differences) sum /= static_cast<double>(mcnemar.size());
  out.mcnemar = std::move(mcnemar);
  out.sample_interval = bootstrap_mean(differences);
}

std::optional<RatioSummary> ratio_of(const std::vector<Paired>& pairs,
                                     std::optional<double> CandidateRun::*figure) {
  std::vector<double> ratios;
  for (const Paired& pair : pairs) {
    const auto a = pair.reference->*figure, b = pair.candidate->*figure;
    if (a && b && *a > 0 && *b > 0) ratios.push_back(*b / *a);
  }
  if (ratios.empty()) return std::nullopt;
  return mean_ratio(ratios);
}

std::map<std::string, LatencyRow> latencies_by_kind(const Store& store, int64_t run) {
  std::map<std::string, LatencyRow> out;
  for (const LatencyRow& l : store.latencies(run))
    out[fmt::format("{} ({}, {}, {}, {} thread(s), batch {})", l.subject, l.kind, l.engine, l.isa,
                    l.threads, l.batch)] = l;
  return out;
}

// Only times of the same machine, subject, kind, engine, vector unit, threads and batch make a
// ratio.
void add_latencies(const Store& store, const std::vector<Paired>& pairs, Pair& out) {
  std::map<std::string, std::vector<double>> ratios;
  std::map<std::string, Interval> single;
  for (const Paired& pair : pairs) {
    if (pair.reference->machine != pair.candidate->machine) continue;
    const auto a = latencies_by_kind(store, pair.reference->id),
               b = latencies_by_kind(store, pair.candidate->id);
    for (const auto& [what, left] : a) {
      const auto right = b.find(what);
      if (right == b.end() || !(left.median_ms > 0) || !(right->second.median_ms > 0)) continue;
      ratios[what].push_back(right->second.median_ms / left.median_ms);
      single[what] = {right->second.low_ms / left.high_ms, right->second.high_ms / left.low_ms};
    }
  }
  for (const auto& [what, values] : ratios) {
    RatioSummary summary = mean_ratio(values);
    if (values.size() == 1) summary.interval = single[what];
    out.latencies.push_back({what, summary});
  }
  std::stable_partition(out.latencies.begin(), out.latencies.end(),
                        [](const LatencyRatio& l) { return l.what.rfind("package ", 0) == 0; });
}

// A network that nobody trained here is the same for every seed.
bool is_fixed(const Contract& c) {
  return c.training_budget == "none" && c.baseline.rfind("weights ", 0) == 0 &&
         c.baseline.find(" epochs (") == std::string::npos;
}

bool is_fixed(const Store& store, const std::vector<Paired>& pairs) {
  return std::all_of(pairs.begin(), pairs.end(), [&](const Paired& pair) {
    return is_fixed(contract_row(store, pair.reference->contract)) &&
           is_fixed(contract_row(store, pair.candidate->contract));
  });
}

Verdict verdict_of(const Pair& pair, double alpha) {
  if (pair.seeds == 0) return Verdict::NotPaired;
  if (pair.over_samples && pair.p_holm > alpha) return Verdict::NoDifference;
  if (pair.p_holm <= alpha) return pair.difference.mean > 0 ? Verdict::Better : Verdict::Worse;
  return pair.seeds < pair.seeds_needed ? Verdict::TooFewSeeds : Verdict::NoDifference;
}

std::string points(double share) { return fmt::format("{:+.2f} points", 100 * share); }

// What the verdict's chance is over.
std::string drawn_of(const Pair& pair) {
  return pair.over_samples
             ? fmt::format("the test samples of {} equal network(s) (McNemar)", pair.seeds)
             : fmt::format("{} paired seeds", pair.seeds);
}

std::string sentence_of(const TaskComparison& task, const Pair& pair, double alpha) {
  const std::string& a = task.candidates[pair.reference].name;
  const std::string& b = task.candidates[pair.candidate].name;
  std::string out;
  switch (pair.verdict) {
    case Verdict::Better:
    case Verdict::Worse:
      out = fmt::format("{} is {} than {}: {} over {}, p = {:.2g}.", b, name_of(pair.verdict), a,
                        points(pair.difference.mean), drawn_of(pair), pair.p_holm);
      break;
    case Verdict::NoDifference:
      out =
          fmt::format("No difference between {} and {} is shown: {} over {}, p = {:.2g}, above {}.",
                      b, a, points(pair.difference.mean), drawn_of(pair), pair.p_holm, alpha);
      break;
    case Verdict::TooFewSeeds:
      out = fmt::format(
          "{} against {} is {} over {} paired seed(s), too few to call it better or worse: {} "
          "would do.",
          b, a, points(pair.difference.mean), pair.seeds, pair.seeds_needed);
      break;
    case Verdict::NotPaired:
      out = fmt::format(
          "{} and {} have no seed in common, so nothing is tested; run both with the same {} "
          "seeds.",
          b, a, pair.seeds_needed);
  }
  if (!pair.differs_in.empty())
    out += fmt::format(" They are not like for like: they differ in {}.",
                       fmt::join(pair.differs_in, "; "));
  return out;
}

Pair pair_up(const Store& store, Answers& answers, const TaskComparison& task, size_t reference,
             size_t candidate) {
  Pair out;
  out.reference = reference;
  out.candidate = candidate;
  const Candidate &a = task.candidates[reference], &b = task.candidates[candidate];
  const std::vector<Paired> pairs = common_seeds(a, b);
  out.differs_in = contract_differences(store, a, b, pairs);
  std::vector<double> differences;
  for (const Paired& pair : pairs) {
    const auto left = accuracy_of(*pair.reference, task.metric),
               right = accuracy_of(*pair.candidate, task.metric);
    if (left && right) differences.push_back(*right - *left);
  }
  out.seeds = static_cast<int64_t>(differences.size());
  out.difference = summarize(differences);
  out.p = sign_flip_p(differences);
  add_sample_tests(answers, pairs, out);
  out.over_samples = !out.mcnemar.empty() && is_fixed(store, pairs);
  // Whatever seed drew the calibration samples, it has to hold.
  if (out.over_samples) out.p = *std::max_element(out.mcnemar.begin(), out.mcnemar.end());
  out.size = ratio_of(pairs, &CandidateRun::size_bytes);
  out.bops = ratio_of(pairs, &CandidateRun::bops);
  add_latencies(store, pairs, out);
  return out;
}

double mean_bits(const Candidate& candidate, std::optional<double> CandidateRun::*bits) {
  std::vector<double> values;
  for (const CandidateRun& run : candidate.runs)
    if (run.*bits) values.push_back(*(run.*bits));
  return values.empty() ? 32 : summarize(values).mean;
}

bool equal_bits(const Candidate& a, const Candidate& b) {
  constexpr double kHalf = 0.5;
  const auto near = [&](std::optional<double> CandidateRun::*bits) {
    return std::abs(mean_bits(a, bits) - mean_bits(b, bits)) < kHalf;
  };
  return near(&CandidateRun::weight_bits) && near(&CandidateRun::activation_bits);
}

using Places = std::vector<std::pair<size_t, size_t>>;  // of reference and candidate

// Which candidates of two sides (their places among all) are set against each other.
Places places_of(const Store& store, const std::vector<Candidate>& all,
                 const std::vector<size_t>& references, const std::vector<size_t>& others) {
  Places out;
  const bool single = references.size() == 1 || others.size() == 1;
  for (size_t other : others) {
    std::optional<size_t> best;
    size_t most = 0;
    for (size_t reference : references) {
      if (single) out.emplace_back(reference, other);
      if (single || !equal_bits(all[reference], all[other])) continue;
      const auto left = recipe_lines(configuration_recipe(store, all[reference].configuration)),
                 right = recipe_lines(configuration_recipe(store, all[other].configuration));
      const auto common =
          static_cast<size_t>(std::count_if(left.begin(), left.end(), [&](const auto& line) {
            const auto found = right.find(line.first);
            return found != right.end() && found->second == line.second;
          }));
      if (best && common <= most) continue;
      best = reference;
      most = common;
    }
    if (best) out.emplace_back(*best, other);
  }
  if (out.empty())  // nothing has equal bits, so that all there is to see are unequal pairs
    for (size_t reference : references)
      for (size_t other : others) out.emplace_back(reference, other);
  return out;
}

// One task's candidates, and for each side the places of its own among them.
TaskComparison compare_task(const Store& store, std::vector<Candidate> candidates,
                            const std::vector<std::vector<size_t>>& sides,
                            const CompareConfig& config) {
  TaskComparison task;
  task.model = candidates[0].model;
  task.dataset = candidates[0].dataset;
  name_candidates(store, candidates);
  task.candidates = std::move(candidates);
  task.metric = metric_of(task.candidates);
  for (const Candidate& c : task.candidates)
    task.accuracy.push_back(accuracy_summary(c, task.metric));
  Places places;
  for (size_t a = 0; a < sides.size(); ++a)
    for (size_t b = 0; b < sides.size(); ++b) {
      const bool wanted = config.against_last ? a + 1 == sides.size() && b != a : a < b;
      if (!wanted) continue;
      const Places some = places_of(store, task.candidates, sides[a], sides[b]);
      places.insert(places.end(), some.begin(), some.end());
    }
  require(
      places.size() <= kMostPairs,
      "{} configurations of {} on {} make {} pairs, more than {}; narrow them with keys of their "
      "recipes, such as --seed or --METHOD.weight_bits.",
      task.candidates.size(), task.model, task.dataset, places.size(), kMostPairs);
  Answers answers(store, task.metric);
  std::vector<double> p;
  for (const auto& [a, b] : places) {
    task.pairs.push_back(pair_up(store, answers, task, a, b));
    p.push_back(task.pairs.back().p);
  }
  const std::vector<double> corrected = holm(p);
  for (size_t i = 0; i < task.pairs.size(); ++i) {
    Pair& pair = task.pairs[i];
    pair.p_holm = corrected[i];
    pair.seeds_needed = pairs_needed(config.alpha / static_cast<double>(task.pairs.size()));
    pair.verdict = verdict_of(pair, config.alpha);
    pair.sentence = sentence_of(task, pair, config.alpha);
  }
  return task;
}

bool same(const Candidate& a, const Candidate& b) {
  if (a.configuration != b.configuration || a.method_version != b.method_version) return false;
  // Two runs of one configuration are two things to compare; a run and its configuration too.
  if (a.runs.size() != b.runs.size()) return false;
  for (size_t i = 0; i < a.runs.size(); ++i)
    if (a.runs[i].id != b.runs[i].id) return false;
  return true;
}

}  // namespace

const char* name_of(Verdict verdict) {
  static constexpr const char* names[] = {"better", "worse", "no difference shown", "too few seeds",
                                          "not paired"};
  return names[static_cast<size_t>(verdict)];
}

std::vector<TaskComparison> compare(const Store& store,
                                    const std::vector<std::vector<Candidate>>& sides,
                                    const CompareConfig& config) {
  struct Task {
    std::vector<Candidate> candidates;
    std::vector<std::vector<size_t>> sides;
  };
  std::map<std::pair<std::string, std::string>, Task> tasks;
  for (const std::vector<Candidate>& side : sides)
    for (const Candidate& candidate : side) {
      Task& task = tasks[{candidate.model, candidate.dataset}];
      const auto known = [&](const Candidate& c) { return same(c, candidate); };
      if (std::any_of(task.candidates.begin(), task.candidates.end(), known)) continue;
      // Of one side alone, the first is a side of its own.
      const size_t place = sides.size() > 1 ? static_cast<size_t>(&side - sides.data())
                                            : std::min<size_t>(task.candidates.size(), 1);
      task.sides.resize(std::max<size_t>(sides.size(), 2));
      task.sides[place].push_back(task.candidates.size());
      task.candidates.push_back(candidate);
    }
  std::vector<TaskComparison> out;
  for (auto& [key, task] : tasks) {
    const bool last_missing = config.against_last && task.sides.back().empty();
    if (task.candidates.size() < 2 || last_missing) continue;
    const auto empty = [](const std::vector<size_t>& side) { return side.empty(); };
    task.sides.erase(std::remove_if(task.sides.begin(), task.sides.end(), empty), task.sides.end());
    if (task.sides.size() < 2) continue;
    out.push_back(compare_task(store, std::move(task.candidates), task.sides, config));
  }
  require(!out.empty(),
          "There is nothing to compare: no model and dataset on which both have run.");
  return out;
}

}  // namespace quantbench
