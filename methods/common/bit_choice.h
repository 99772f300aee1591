// Which bits for which layer: the least total perturbation within a budget. The problem is a
// multiple-choice knapsack: exactly one option of every group, costs and perturbations add up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace quantbench {

// One way to quantize a group: a layer, or layers that must share their bits.
struct BitOption {
  int64_t bits = 0;
  double cost = 0;          // bits of storage, bit operations, milliseconds ...
  double perturbation = 0;  // what it does to the loss
};
// Of one group, in ascending order of bits.
using BitOptions = std::vector<BitOption>;

struct BitChoice {
  std::vector<size_t> picks;  // of each group: the index of its option
  double cost = 0, perturbation = 0;
};

// All choices of which none is both cheaper and better than another, by ascending cost, of those
// that cost at most `limit`. Exact unless more than 2^16 of them live at once (then they are
// thinned evenly along the cost, and relaxed_bound() says how much that can matter). Of equal ones
// the cheaper, then the first found stays, so that the answer does not depend on chance.
std::vector<BitChoice> pareto_frontier(const std::vector<BitOptions>& groups,
                                       double limit = std::numeric_limits<double>::infinity());

// The choice of least perturbation at a cost of at most `limit`. Throws Error, with the least
// possible cost, when there is none.
BitChoice least_perturbation(const std::vector<BitOptions>& groups, double limit);

// The same among the choices whose bits never rise along `order` (all groups, most sensitive
// first), as HAWQ restricts itself. Every group must offer the same bits.
BitChoice least_monotone(const std::vector<BitOptions>& groups, const std::vector<size_t>& order,
                         double limit);

// No choice within `limit` can have a smaller perturbation: the optimum of the linear relaxation
// (Sinha and Zoltners 1979). Throws as least_perturbation().
double relaxed_bound(const std::vector<BitOptions>& groups, double limit);

// The index of the knee of a frontier: the point farthest below the chord between its ends, cost
// and perturbation scaled to 0..1 (Satopaa et al. 2011, "Kneedle").
size_t knee(const std::vector<BitChoice>& frontier);

}  // namespace quantbench
