#include "methods/common/bit_choice.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr size_t kMostStates = size_t{1} << 16;

// A choice for the groups so far; the earlier picks are found by walking back.
struct State {
  double cost = 0, perturbation = 0;
  size_t pick = 0, previous = 0;  // `previous` in the layer before
  size_t lane = 0;                // of the layer before (monotone search only)
};
using Frontier = std::vector<State>;

// Sums of the same numbers in another order differ in their last digits.
double with_slack(double limit) { return limit + 1e-9 * std::abs(limit); }

void keep_undominated(Frontier& states) {
  std::stable_sort(states.begin(), states.end(), [](const State& a, const State& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.perturbation < b.perturbation;
  });
  double best = std::numeric_limits<double>::infinity();
  size_t kept = 0;
  for (const State& state : states) {
    if (!(state.perturbation < best)) continue;
    best = state.perturbation;
    states[kept++] = state;
  }
  states.resize(kept);
}

void thin(Frontier& states) {
  if (states.size() <= kMostStates) return;
  const double low = states.front().cost, width = states.back().cost - low;
  Frontier kept;
  auto slot = [&](const State& s) {
    return static_cast<size_t>((s.cost - low) / width * static_cast<double>(kMostStates - 1));
  };
  // The dearest of a slot is its best.
  for (size_t i = 0; i < states.size(); ++i)
    if (i + 1 == states.size() || slot(states[i]) != slot(states[i + 1])) kept.push_back(states[i]);
  kept.insert(kept.begin(), states.front());
  states = std::move(kept);
}

double least_cost(const BitOptions& options) {
  double least = std::numeric_limits<double>::infinity();
  for (const BitOption& option : options) least = std::min(least, option.cost);
  return least;
}

// The least cost of groups i, i+1, ...
std::vector<double> least_remaining(const std::vector<BitOptions>& groups) {
  std::vector<double> out(groups.size() + 1, 0);
  for (size_t i = groups.size(); i-- > 0;) out[i] = out[i + 1] + least_cost(groups[i]);
  return out;
}

void require_possible(const std::vector<BitOptions>& groups, double limit) {
  require(!groups.empty(), "There is no layer to choose bits for.");
  const double least = least_remaining(groups)[0];
  require(least <= with_slack(limit),
          "The budget of {:.6g} is less than the {:.6g} that the lowest bits of all layers need.",
          limit, least);
}

}  // namespace

std::vector<BitChoice> pareto_frontier(const std::vector<BitOptions>& groups, double limit) {
  require_possible(groups, limit);
  const std::vector<double> remaining = least_remaining(groups);
  std::vector<Frontier> layers{{State{}}};
  for (size_t g = 0; g < groups.size(); ++g) {
    Frontier next;
    for (size_t before = 0; before < layers.back().size(); ++before) {
      const State& from = layers.back()[before];
      for (size_t pick = 0; pick < groups[g].size(); ++pick) {
        const BitOption& option = groups[g][pick];
        const double cost = from.cost + option.cost;
        if (cost + remaining[g + 1] > with_slack(limit)) continue;
        next.push_back({cost, from.perturbation + option.perturbation, pick, before, 0});
      }
    }
    keep_undominated(next);
    thin(next);
    layers.push_back(std::move(next));
  }

  std::vector<BitChoice> out;
  for (const State& end : layers.back()) {
    BitChoice choice{std::vector<size_t>(groups.size()), end.cost, end.perturbation};
    const State* state = &end;
    for (size_t g = groups.size(); g-- > 0;) {
      choice.picks[g] = state->pick;
      state = &layers[g][state->previous];
    }
    out.push_back(std::move(choice));
  }
  return out;
}

BitChoice least_perturbation(const std::vector<BitOptions>& groups, double limit) {
  return pareto_frontier(groups, limit).back();
}

BitChoice least_monotone(const std::vector<BitOptions>& groups, const std::vector<size_t>& order,
                         double limit) {
  require_possible(groups, limit);
  const size_t widths = groups[0].size();
  for (const BitOptions& options : groups)
    require(options.size() == widths, "A monotone choice needs the same bits for every layer.");
  std::vector<BitOptions> sorted;
  for (size_t g : order) sorted.push_back(groups.at(g));
  const std::vector<double> remaining = least_remaining(sorted);

  // lanes[p]: the choices whose last pick is p.
  std::vector<std::vector<Frontier>> layers{std::vector<Frontier>(widths)};
  layers[0][widths - 1] = {State{}};
  for (size_t g = 0; g < sorted.size(); ++g) {
    std::vector<Frontier> lanes(widths);
    for (size_t lane = 0; lane < widths; ++lane)
      for (size_t before = 0; before < layers.back()[lane].size(); ++before) {
        const State& from = layers.back()[lane][before];
        for (size_t pick = 0; pick <= lane; ++pick) {
          const double cost = from.cost + sorted[g][pick].cost;
          if (cost + remaining[g + 1] > with_slack(limit)) continue;
          lanes[pick].push_back(
              {cost, from.perturbation + sorted[g][pick].perturbation, pick, before, lane});
        }
      }
    for (Frontier& lane : lanes) {
      keep_undominated(lane);
      thin(lane);
    }
    layers.push_back(std::move(lanes));
  }

  const State* best = nullptr;
  for (const Frontier& lane : layers.back())
    if (!lane.empty() && (!best || lane.back().perturbation < best->perturbation))
      best = &lane.back();
  BitChoice choice{std::vector<size_t>(groups.size()), best->cost, best->perturbation};
  for (size_t g = sorted.size(); g-- > 0;) {
    choice.picks[order[g]] = best->pick;
    best = &layers[g][best->lane][best->previous];
  }
  return choice;
}

double relaxed_bound(const std::vector<BitOptions>& groups, double limit) {
  require_possible(groups, limit);
  struct Step {
    double cost, gain;
  };
  std::vector<Step> steps;
  double cost = 0, perturbation = 0;
  for (const BitOptions& options : groups) {
    std::vector<BitOption> sorted = options;
    std::sort(sorted.begin(), sorted.end(), [](const BitOption& a, const BitOption& b) {
      return a.cost != b.cost ? a.cost < b.cost : a.perturbation < b.perturbation;
    });
    std::vector<BitOption> hull;
    auto steeper = [&](const BitOption& next) {
      const BitOption &a = hull[hull.size() - 2], &b = hull.back();
      return (a.perturbation - b.perturbation) * (next.cost - b.cost) <=
             (b.perturbation - next.perturbation) * (b.cost - a.cost);
    };
    for (const BitOption& option : sorted) {
      if (!hull.empty() && option.perturbation >= hull.back().perturbation) continue;
      while (hull.size() > 1 && steeper(option)) hull.pop_back();
      hull.push_back(option);
    }
    cost += hull[0].cost;
    perturbation += hull[0].perturbation;
    for (size_t i = 1; i < hull.size(); ++i)
      steps.push_back(
          {hull[i].cost - hull[i - 1].cost, hull[i - 1].perturbation - hull[i].perturbation});
  }
  std::sort(steps.begin(), steps.end(),
            [](const Step& a, const Step& b) { return a.gain * b.cost > b.gain * a.cost; });
  for (const Step& step : steps) {
    const double share = std::min(1.0, std::max(0.0, (limit - cost) / step.cost));
    cost += share * step.cost;
    perturbation -= share * step.gain;
    if (share < 1) break;
  }
  return perturbation;
}

size_t knee(const std::vector<BitChoice>& frontier) {
  require(!frontier.empty(), "An empty frontier has no knee.");
  const double width = frontier.back().cost - frontier.front().cost;
  const double height = frontier.front().perturbation - frontier.back().perturbation;
  size_t best = 0;
  double deepest = 0;
  for (size_t i = 0; i < frontier.size() && width > 0 && height > 0; ++i) {
    const double across = (frontier[i].cost - frontier.front().cost) / width;
    const double up = (frontier[i].perturbation - frontier.back().perturbation) / height;
    if (1 - across - up > deepest) {
      deepest = 1 - across - up;
      best = i;
    }
  }
  return best;
}

}  // namespace quantbench
