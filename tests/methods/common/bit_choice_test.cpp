#include "methods/common/bit_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <sstream>

#include "base/error.h"
#include "base/random.h"

namespace quantbench {
namespace {

using Groups = std::vector<BitOptions>;

Groups random_groups(uint64_t seed, size_t count = 6, size_t widths = 3) {
  const RandomStream random(seed, "groups");
  Groups groups(count);
  uint64_t draw = 0;
  for (BitOptions& options : groups) {
    const double elements = 1 + static_cast<double>(random.below(draw++, 50));
    double omega = 10 * random.uniform(draw++);
    for (size_t w = 0; w < widths; ++w) {
      const auto bits = static_cast<int64_t>(2 + w);
      options.push_back({bits, elements * static_cast<double>(bits), omega});
      omega *= random.uniform(draw++);
    }
  }
  return groups;
}

// Calls `visit` with every choice there is.
template <typename Visit>
void for_every_choice(const Groups& groups, const Visit& visit) {
  BitChoice choice{std::vector<size_t>(groups.size(), 0), 0, 0};
  while (true) {
    choice.cost = choice.perturbation = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      choice.cost += groups[g][choice.picks[g]].cost;
      choice.perturbation += groups[g][choice.picks[g]].perturbation;
    }
    visit(choice);
    size_t g = 0;
    while (g < groups.size() && ++choice.picks[g] == groups[g].size()) choice.picks[g++] = 0;
    if (g == groups.size()) return;
  }
}

double least_by_hand(const Groups& groups, double limit, const std::vector<size_t>& order = {}) {
  double best = std::numeric_limits<double>::infinity();
  for_every_choice(groups, [&](const BitChoice& choice) {
    for (size_t i = 1; i < order.size(); ++i)
      if (choice.picks[order[i]] > choice.picks[order[i - 1]]) return;
    if (choice.cost <= limit) best = std::min(best, choice.perturbation);
  });
  return best;
}

double budget_of(const Groups& groups, double share) {
  double least = 0, most = 0;
  for (const BitOptions& options : groups) {
    least += options.front().cost;
    most += options.back().cost;
  }
  return std::floor(least + share * (most - least));
}

void expect_adds_up(const Groups& groups, const BitChoice& choice) {
  double cost = 0, perturbation = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    cost += groups[g].at(choice.picks.at(g)).cost;
    perturbation += groups[g][choice.picks[g]].perturbation;
  }
  EXPECT_NEAR(choice.cost, cost, 1e-9);
  EXPECT_NEAR(choice.perturbation, perturbation, 1e-9);
}

TEST(BitChoice, EqualsBruteForceWithinABudget) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Groups groups = random_groups(seed);
    const double limit = budget_of(groups, static_cast<double>(seed % 10) / 10);

    const BitChoice choice = least_perturbation(groups, limit);

    EXPECT_LE(choice.cost, limit);
    EXPECT_NEAR(choice.perturbation, least_by_hand(groups, limit), 1e-9) << seed;
    expect_adds_up(groups, choice);
  }
}

TEST(BitChoice, MonotoneEqualsBruteForceAlongItsOrder) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Groups groups = random_groups(seed);
    const double limit = budget_of(groups, 0.5);
    std::vector<size_t> order(groups.size());
    std::iota(order.begin(), order.end(), 0);
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(seed % 5), order.end());

    const BitChoice choice = least_monotone(groups, order, limit);

    EXPECT_NEAR(choice.perturbation, least_by_hand(groups, limit, order), 1e-9) << seed;
    EXPECT_GE(choice.perturbation, least_perturbation(groups, limit).perturbation - 1e-12);
    expect_adds_up(groups, choice);
  }
}

TEST(BitChoice, TheFrontierHoldsExactlyTheUndominatedChoices) {
  const Groups groups = random_groups(7, 5, 3);
  std::vector<BitChoice> all;
  for_every_choice(groups, [&](const BitChoice& choice) { all.push_back(choice); });

  const std::vector<BitChoice> frontier = pareto_frontier(groups);

  for (const BitChoice& point : frontier) expect_adds_up(groups, point);
  for (const BitChoice& choice : all) {
    const bool covered = std::any_of(frontier.begin(), frontier.end(), [&](const BitChoice& p) {
      return p.cost <= choice.cost && p.perturbation <= choice.perturbation + 1e-12;
    });
    EXPECT_TRUE(covered);
  }
  for (size_t i = 1; i < frontier.size(); ++i) {
    EXPECT_GT(frontier[i].cost, frontier[i - 1].cost);
    EXPECT_LT(frontier[i].perturbation, frontier[i - 1].perturbation);
  }
}

TEST(BitChoice, ALargerBudgetNeverHurtsAndTheBoundHolds) {
  const Groups groups = random_groups(3, 12, 5);
  double before = std::numeric_limits<double>::infinity();
  for (int share = 0; share <= 20; ++share) {
    const double limit = budget_of(groups, share / 20.0);
    const double omega = least_perturbation(groups, limit).perturbation;

    EXPECT_LE(omega, before + 1e-12);
    EXPECT_LE(relaxed_bound(groups, limit), omega + 1e-9);
    before = omega;
  }
  // Where everything fits, the relaxation is the optimum.
  EXPECT_NEAR(relaxed_bound(groups, budget_of(groups, 1)), before, 1e-9);
}

TEST(BitChoice, PermutedLayersGetPermutedBits) {
  Groups groups = random_groups(11, 8, 4);
  const double limit = budget_of(groups, 0.4);
  const BitChoice before = least_perturbation(groups, limit);

  std::reverse(groups.begin(), groups.end());
  BitChoice after = least_perturbation(groups, limit);

  std::reverse(after.picks.begin(), after.picks.end());
  EXPECT_EQ(after.picks, before.picks);
}

TEST(BitChoice, RefusesWhatNoBitsCanMeet) {
  const Groups groups = random_groups(1);
  const double least = budget_of(groups, 0);

  EXPECT_NO_THROW(least_perturbation(groups, least));
  EXPECT_THROW(least_perturbation(groups, least - 1), Error);
  EXPECT_THROW(least_monotone(groups, {0, 1, 2, 3, 4, 5}, least - 1), Error);
  EXPECT_THROW(relaxed_bound(groups, least - 1), Error);
  EXPECT_THROW(least_perturbation({}, 10), Error);
}

TEST(BitChoice, TheKneeIsFarthestBelowTheChord) {
  // Omega = 1/cost: scaled to the unit square the distance is largest at the square root.
  std::vector<BitChoice> frontier;
  for (int cost = 1; cost <= 100; ++cost) frontier.push_back({{}, 1.0 * cost, 1.0 / cost});

  EXPECT_EQ(frontier[knee(frontier)].cost, 10);
  EXPECT_EQ(knee({frontier[0]}), 0u);
}

// The numbers that the authors of HAWQ-V3 published for their integer program, and the bit lists
// that they released (github.com/Zhen-Dong/HAWQ at 1616df6, ILP.ipynb and bit_config.py).
struct Published {
  std::map<std::string, std::vector<double>> columns;
  size_t layers = 0;

  explicit Published(const std::string& net) {
    std::ifstream in(std::string(SOURCE_FOLDER) + "/tests/methods/hawq_v3/" + net + ".csv");
    std::string line, cell;
    std::vector<std::string> names;
    std::getline(in, line);
    for (std::istringstream head(line); std::getline(head, cell, ',');) names.push_back(cell);
    while (std::getline(in, line)) {
      std::istringstream row(line);
      for (size_t i = 0; std::getline(row, cell, ','); ++i)
        if (i > 0) columns[names[i]].push_back(std::stod(cell));
      ++layers;
    }
  }

  double cost(const std::string& kind, size_t layer, int bits) const {
    if (kind == "size") return columns.at("weights")[layer] * bits;
    if (kind == "bops") return columns.at("mmac")[layer] * bits * bits;
    return columns.at("latency_" + std::to_string(bits))[layer];
  }
  double omega(size_t layer, int bits) const {
    return columns.at("average_trace")[layer] *
           columns.at("perturbation_" + std::to_string(bits))[layer];
  }
};

using Ties = std::map<size_t, size_t>;  // the second shares the bits of the first

struct Golden {
  std::string net, kind, share;
  bool released_is_optimal = true;
};

class HawqV3 : public testing::TestWithParam<Golden> {};

TEST_P(HawqV3, SolvesThePublishedProgram) {
  const Golden& golden = GetParam();
  const Published published(golden.net);
  const Ties ties = golden.net == "resnet18" ? Ties{{6, 4}, {11, 9}, {16, 14}}
                                             : Ties{{3, 0}, {13, 10}, {26, 23}, {45, 42}};
  ASSERT_EQ(published.layers, golden.net == "resnet18" ? 19u : 52u);
  Groups groups;
  std::vector<size_t> group_of(published.layers);
  double all_four = 0, all_eight = 0;
  for (size_t i = 0; i < published.layers; ++i) {
    const auto tie = ties.find(i);
    if (tie == ties.end()) {
      group_of[i] = groups.size();
      groups.push_back({{4, 0, 0}, {8, 0, 0}});
    } else {
      group_of[i] = group_of[tie->second];
    }
    for (BitOption& option : groups[group_of[i]]) {
      option.cost += published.cost(golden.kind, i, static_cast<int>(option.bits));
      option.perturbation += published.omega(i, static_cast<int>(option.bits));
    }
    all_four += published.cost(golden.kind, i, 4);
    all_eight += published.cost(golden.kind, i, 8);
  }
  const double limit = all_four + std::stod(golden.share) * (all_eight - all_four);

  const BitChoice choice = least_perturbation(groups, limit);

  double released = 0;
  int differing = 0;
  for (size_t i = 0; i < published.layers; ++i) {
    const auto bits = static_cast<int>(published.columns.at(golden.kind + "_" + golden.share)[i]);
    released += published.omega(i, bits);
    differing += groups[group_of[i]][choice.picks[group_of[i]]].bits != bits;
  }
  if (golden.released_is_optimal) {
    EXPECT_EQ(differing, 0) << choice.perturbation << " against " << released;
  } else {
    EXPECT_EQ(differing, 1);
    EXPECT_NEAR(choice.perturbation, 0.074949, 1e-6);
    EXPECT_NEAR(released, 0.083110, 1e-6);
  }
}

std::vector<Golden> eighteen() {
  std::vector<Golden> out;
  for (const char* net : {"resnet18", "resnet50"})
    for (const char* kind : {"size", "bops", "latency"})
      for (const char* share : {"0.75", "0.5", "0.25"})
        out.push_back({net, kind, share,
                       std::string(net) != "resnet50" || std::string(kind) != "size" ||
                           std::string(share) != "0.25"});
  return out;
}

INSTANTIATE_TEST_SUITE_P(Golden, HawqV3, testing::ValuesIn(eighteen()), [](const auto& info) {
  return info.param.net + info.param.kind + info.param.share.substr(2);
});

}  // namespace
}  // namespace quantbench
