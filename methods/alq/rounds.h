// The order of ALQ's training: rounds of bases, coordinates and pruning, then polishing.
#pragma once

#include <string>
#include <vector>

#include "base/options.h"
#include "methods/training.h"

namespace quantbench::alq {

enum class Stage {
  Bases,        // nearest levels and weighted least squares; BatchNorm and biases by Adam
  Coordinates,  // AMSGrad in the domain of the coordinates
  Prune,        // nothing moves but what is removed, in evaluation mode
  Polish,       // as Bases, from full-precision weights (straight-through)
};

struct StagedPhase {
  Stage stage;
  bool polishing;  // after the rounds
  Phase phase;     // without groups
  double lr;       // at the factor 1
};

// The options that rounds are made of.
std::vector<Option> round_options();

// The phases for `epochs` epochs in all; stages are cut in proportion where the options ask for
// another number, and those that keep no epoch are left out. Rates start at `lr` in every round and
// are multiplied by their decay before each epoch.
std::vector<StagedPhase> staged_phases(const OptionValues& options, int64_t epochs, double lr);

}  // namespace quantbench::alq
