// Which coordinates go: the cheapest of each weight are proposed, the cheapest of all proposals are
// removed (ALQ, arXiv 1912.08883, section 4.2 and algorithm 1).
#pragma once

#include "base/random.h"
#include "methods/alq/quantizer.h"

namespace quantbench::alq {

struct PruneRule {
  double share = 0;     // of all coordinates that an epoch of pruning is asked to remove (p)
  double proposed = 0;  // of each weight's coordinates that every batch proposes (k)
  double batches = 1;   // over which p is spread
  double target = 0;    // sign bits a weight on average, below which nothing is removed
};

// Shares of whole numbers are met on average, by a draw for the remainder. Where k is too small for
// p it is raised.
struct PruneShares {
  double proposed = 0;  // of a weight's coordinates
  double removed = 0;   // of the proposals, at most 1
};
PruneShares shares_of(const PruneRule& rule);

// Sign bits a weight on average over all weights (the paper's average bitwidth).
double average_bits(const std::vector<std::shared_ptr<MultiBitQuantizer>>& weights);

// One batch of pruning, at the learning rate in force; returns how many coordinates went.
int64_t prune(const std::vector<std::shared_ptr<MultiBitQuantizer>>& weights, const PruneRule& rule,
              double learning_rate, const RandomStream& random);

}  // namespace quantbench::alq
