// Pictures of what a store holds, as scripts of gnuplot. Pure functions of the store.
#pragma once

#include <string>
#include <vector>

#include "results/entries.h"
#include "results/store.h"

namespace quantbench {

// Top-1 over a cost ("size", "bops" or "latency"): a mark a configuration with its deviation over
// seeds as error bars, the staircase front of the largest group that is like for like (the first),
// other groups hollow. Of latencies only those of the kind that most entries have. Throws Error
// when no entry has the cost.
std::string pareto_script(std::vector<BoardEntry> entries, const Board& board,
                          const std::string& cost);

// Bits of the weight and activation sites of runs, side by side. Throws Error when none has sites.
std::string bits_script(const Store& store, const std::vector<int64_t>& runs);

// Loss and top-1 over the epochs of runs, on training and validation data. Throws Error when none
// has epochs.
std::string curves_script(const Store& store, const std::vector<int64_t>& runs);

// Answers over true classes of one run, a share of each class.
std::string confusion_script(const Store& store, int64_t run);

}  // namespace quantbench
