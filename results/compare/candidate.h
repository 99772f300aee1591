// What a comparison sets side by side: a configuration (a recipe without its seed, one version of
// its method) on one task, with the finished runs that stand for it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "results/contract.h"
#include "results/store.h"

namespace quantbench {

struct CandidateRun {
  int64_t id = 0;
  uint64_t seed = 0;
  std::string fingerprint;  // of the data
  std::string machine;      // times of two machines are not compared
  std::optional<double> top1_fp32, top1_simulated, top1_shipped;
  std::optional<double> size_bytes, bops, weight_bits, activation_bits;
  std::optional<double> package_ms;  // latency of the package, where it was timed
  int64_t test_samples = 0;
  int64_t contract = 0;
};

struct Candidate {
  std::string name;  // method and the settings that tell it from the others
  std::string method;
  int method_version = 0;
  std::string model, dataset;
  int64_t configuration = 0;
  std::vector<CandidateRun> runs;           // status ok, one a seed (the newest), by seed
  std::map<std::string, int64_t> left_out;  // status -> seeds that have no run with status ok
};

// What one operand of `compare` names: a run, a method, or the configurations of a recipe.
struct Selection {
  int64_t run = 0;
  std::string method;
  std::vector<std::string> configurations;  // digests
  // Keys of the recipe and their values, one of which each configuration must have.
  std::map<std::string, std::vector<std::string>> keys;
};

// The candidates that a selection names, without names. Throws Error when there are none, or more
// than can be compared.
std::vector<Candidate> select_candidates(const Store& store, const Selection& selection,
                                         const std::string& what);

// The recipe of one run of a configuration; "" when it has none.
std::string configuration_recipe(const Store& store, int64_t configuration);

// Gives each a name: its method, its version where two differ in it, and those keys of its recipe
// that tell it from the others.
void name_candidates(const Store& store, std::vector<Candidate>& candidates);

// Throws Error when there is no such contract.
Contract contract_row(const Store& store, int64_t id);

}  // namespace quantbench
