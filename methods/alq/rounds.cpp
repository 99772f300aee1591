#include "methods/alq/rounds.h"

#include <cmath>

namespace quantbench::alq {
namespace {

struct Part {
  Stage stage;
  bool polishing;
  std::string name;
  int64_t epochs;
  double decay;    // before each epoch; 1: none
  double restart;  // the rate to start from; 0: goes on
};

std::vector<Part> parts_of(const OptionValues& options, double lr) {
  const auto epochs = [&](const char* name) { return options.integer(name); };
  std::vector<Part> out;
  for (int64_t round = 1; round <= epochs("rounds"); ++round) {
    const auto name = [round](const char* what) {
      return std::string(what) + " " + std::to_string(round);
    };
    out.push_back({Stage::Bases, false, name("bases"), epochs("basis_epochs"),
                   options.real("basis_decay"), lr});
    out.push_back({Stage::Coordinates, false, name("coordinates"), epochs("coordinate_epochs"),
                   options.real("coordinate_decay"), 0});
    out.push_back({Stage::Prune, false, name("prune"), epochs("prune_epochs"), 1, 0});
  }
  out.push_back(
      {Stage::Polish, true, "polish", epochs("polish_epochs"), options.real("polish_decay"), lr});
  out.push_back({Stage::Coordinates, true, "polish coordinates", epochs("polish_coordinate_epochs"),
                 options.real("polish_coordinate_decay"), options.real("polish_coordinate_lr")});
  return out;
}

}  // namespace

std::vector<Option> round_options() {
  constexpr int64_t kMost = 100000;
  return {
      Option::integer("rounds", 4, 1, 1000, "rounds of bases, coordinates and pruning, at most"),
      Option::integer("basis_epochs", 20, 0, kMost, "epochs on the bases in each round"),
      Option::integer("coordinate_epochs", 10, 0, kMost, "epochs on the coordinates in each round"),
      Option::integer("prune_epochs", 1, 0, kMost, "epochs of pruning in each round"),
      Option::real("basis_decay", 0.8, 0, 1, "factor of the rate before each epoch on the bases"),
      Option::real("coordinate_decay", 0.8, 0, 1, "the same of the coordinates"),
      Option::integer("polish_epochs", 50, 0, kMost,
                      "straight-through epochs from full-precision weights, after the rounds"),
      Option::real("polish_decay", 0.95, 0, 1, "factor of the rate before each of them"),
      Option::integer("polish_coordinate_epochs", 20, 0, kMost,
                      "epochs on the coordinates at the very end"),
      Option::real("polish_coordinate_decay", 0.9, 0, 1, "factor of the rate before each of them"),
      Option::real("polish_coordinate_lr", 0, 0, 1, "rate they start from; 0: it goes on"),
  };
}

std::vector<StagedPhase> staged_phases(const OptionValues& options, int64_t epochs, double lr) {
  const std::vector<Part> parts = parts_of(options, lr);
  double total = 0, before = 0;
  for (const Part& part : parts) total += static_cast<double>(part.epochs);
  std::vector<StagedPhase> out;
  double rate = lr;
  for (const Part& part : parts) {
    const double share = static_cast<double>(epochs) / std::max(1.0, total);
    const int64_t from = std::llround(before * share);
    before += static_cast<double>(part.epochs);
    const int64_t count = std::llround(before * share) - from;
    if (part.restart > 0) rate = part.restart;
    if (count == 0) continue;
    StagedPhase staged{part.stage, part.polishing, {}, rate};
    staged.phase.name = part.name;
    staged.phase.epochs = count;
    staged.phase.train_mode = part.stage != Stage::Prune;
    staged.phase.schedule.kind = Schedule::Kind::Step;
    staged.phase.schedule.gamma = part.decay;
    if (part.decay < 1)
      for (int64_t epoch = 0; epoch < count; ++epoch)
        staged.phase.schedule.milestones.push_back(static_cast<double>(epoch));
    rate *= std::pow(part.decay, static_cast<double>(count));
    out.push_back(std::move(staged));
  }
  return out;
}

}  // namespace quantbench::alq
