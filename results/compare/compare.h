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
  double alpha = 0.05;  // of the tests over seeds, after Holm's correction
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
  std::vector<double> mcnemar;              // p of each seed
  std::optional<Interval> sample_interval;  // of the difference, over samples, seeds averaged
  std::optional<RatioSummary> size, bops;
  std::vector<LatencyRatio> latencies;
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

// The first side's candidates against those of all others (of one side alone: its first against the
// rest). Throws Error when no task has two.
std::vector<TaskComparison> compare(const Store& store,
                                    const std::vector<std::vector<Candidate>>& sides,
                                    const CompareConfig& config = {});

nlohmann::ordered_json comparison_json(const std::vector<TaskComparison>& tasks);
std::string comparison_text(const std::vector<TaskComparison>& tasks);

}  // namespace quantbench
