#include "methods/alq/prune.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace quantbench::alq {
namespace {

struct Proposal {
  double cost = 0;
  size_t weight = 0;
  int64_t slot = 0;

  // A total order, so that equal costs cannot be taken in an order of chance.
  bool operator<(const Proposal& o) const {
    return std::tie(cost, weight, slot) < std::tie(o.cost, o.weight, o.slot);
  }
};

int64_t drawn_share(double share, int64_t of, double uniform) {
  const double wanted = share * static_cast<double>(of), whole = std::floor(wanted);
  return std::min(of, static_cast<int64_t>(whole) + (uniform < wanted - whole ? 1 : 0));
}

std::vector<Proposal> cheapest(const MultiBitQuantizer& weight, size_t index, double share,
                               double learning_rate, double uniform) {
  const std::vector<double> costs = weight.removal_costs(learning_rate);
  const uint8_t* counts = weight.counts().data_ptr<uint8_t>();
  std::vector<Proposal> out;
  for (int64_t group = 0; group < weight.groups().count; ++group)
    for (int64_t base = 0; base < counts[group]; ++base) {
      const int64_t slot = group * weight.width() + base;
      out.push_back({costs[static_cast<size_t>(slot)], index, slot});
    }
  const int64_t count = drawn_share(share, static_cast<int64_t>(out.size()), uniform);
  std::nth_element(out.begin(), out.begin() + count, out.end());
  out.resize(static_cast<size_t>(count));
  return out;
}

}  // namespace

PruneShares shares_of(const PruneRule& rule) {
  const double each = rule.share / std::max(1.0, rule.batches);
  PruneShares out;
  out.proposed = std::clamp(std::max(rule.proposed, each), 0.0, 1.0);
  out.removed = out.proposed > 0 ? std::min(1.0, each / out.proposed) : 0;
  return out;
}

double average_bits(const std::vector<std::shared_ptr<MultiBitQuantizer>>& weights) {
  double bits = 0, elements = 0;
  for (const auto& weight : weights) {
    bits += weight->sign_bits();
    elements += static_cast<double>(weight->groups().count * weight->groups().length);
  }
  return elements > 0 ? bits / elements : 0;
}

int64_t prune(const std::vector<std::shared_ptr<MultiBitQuantizer>>& weights, const PruneRule& rule,
              double learning_rate, const RandomStream& random) {
  const PruneShares shares = shares_of(rule);
  std::vector<Proposal> proposals;
  double bits = 0, elements = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    for (const Proposal& p : cheapest(*weights[i], i, shares.proposed, learning_rate,
                                      random.uniform(static_cast<uint64_t>(i) + 1)))
      proposals.push_back(p);
    bits += weights[i]->sign_bits();
    elements += static_cast<double>(weights[i]->groups().count * weights[i]->groups().length);
  }
  std::sort(proposals.begin(), proposals.end());
  const int64_t count =
      drawn_share(shares.removed, static_cast<int64_t>(proposals.size()), random.uniform(0));
  std::vector<std::vector<int64_t>> slots(weights.size());
  int64_t removed = 0;
  for (; removed < count && bits > rule.target * elements; ++removed) {
    const Proposal& next = proposals[static_cast<size_t>(removed)];
    slots[next.weight].push_back(next.slot);
    bits -= static_cast<double>(weights[next.weight]->groups().length);
  }
  for (size_t i = 0; i < weights.size(); ++i) weights[i]->remove(std::move(slots[i]));
  return removed;
}

}  // namespace quantbench::alq
