// Comparing configurations head to head: accuracy over paired seeds and over paired samples, sizes,
// BOPs and latencies as ratios, and a verdict in words. Every pair is a reference and a candidate
// on one task (model and dataset); figures are the candidate's against the reference's.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "results/compare/candidate.h"
#include "results/statistics/statistics.h"

namespace quantbench {

struct CompareConfig {
  double alpha = 0.05;  // of the tests, after Holm's correction
  // The last side is what all others are compared with, and nothing else is; without it every two
  // sides are.
  bool against_last = false;
};

struct LatencyRatio {
  std::string what;  // subject, kind, engine, ISA, threads, batch
  RatioSummary time;
};

enum class Verdict { Better, Worse, NoDifference, TooFewSeeds, NotPaired };
const char* name_of(Verdict verdict);  // "better", "worse", "no difference shown", ...

struct Pair {
  size_t reference = 0, candidate = 0;  // into the task's candidates
  std::vector<std::string> differs_in;  // empty: comparable
  int64_t seeds = 0;                    // in common
  Summary difference;                   // of accuracy over the common seeds, a share
  double p = 1, p_holm = 1;
  int64_t seeds_needed = 0;  // with which p_holm could reach alpha
  // Of what each sample's answer says, for the common seeds.
  std::vector<double> mcnemar;  // p of each seed
  // Whether the verdict is over samples: neither side was trained and both began with the same
  // weight file, so that nothing but the test samples was drawn by chance.
  bool over_samples = false;
  std::optional<Interval> sample_interval;  // of the difference, over samples, seeds averaged
  std::optional<RatioSummary> size, bops;
  std::vector<LatencyRatio> latencies;  // of the package first
  Verdict verdict = Verdict::NotPaired;
  std::string sentence;
};

struct TaskComparison {
  std::string model, dataset;
  std::string metric;  // "top1_shipped", or "top1_simulated" where a run was not shipped
  std::vector<Candidate> candidates;
  std::vector<Summary> accuracy;  // of each candidate
  std::vector<Pair> pairs;
};

// The candidates of every two sides in pairs (of one side alone: its first against the rest). Where
// both sides have several on a task, those of equal bits (means of weights and of activations
// within half a bit) make a pair, the one with most of its recipe in common where there are more; a
// single one is paired with all. Throws Error when no task has two.
std::vector<TaskComparison> compare(const Store& store,
                                    const std::vector<std::vector<Candidate>>& sides,
                                    const CompareConfig& config = {});

nlohmann::ordered_json comparison_json(const std::vector<TaskComparison>& tasks);

// A table a task: each reference with those that are paired with it. Formats "text" (at most
// `width` columns), "markdown", "latex", and "csv" with a line a pair and every figure in full.
// Throws Error on another one.
std::string comparison_table(const std::vector<TaskComparison>& tasks, const std::string& format,
                             size_t width = 100);

// The pairs in words, with every test and what keeps them from being like for like.
std::string comparison_text(const std::vector<TaskComparison>& tasks);

}  // namespace quantbench
