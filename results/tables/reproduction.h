// A paper's figures beside ours: per figure the published value, our mean and deviation over seeds,
// the difference, and whether it was reproduced.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "results/statistics/statistics.h"
#include "results/store.h"
#include "results/tables/paper.h"

namespace quantbench {

enum class CellVerdict {
  Reproduced,     // equivalent: the 90 % interval of the difference lies within the tolerance
  Better,         // that interval lies beyond the tolerance, on the good side
  NotReproduced,  // and on the other
  Undecided,      // the interval straddles the tolerance: more seeds would do
  SameRuns,       // these runs are judged against another figure of the same kind
  Spread,         // a deviation: it tells how far runs lie apart, and is no result
  NotMeasured,    // runs are there, but this program has no such figure
  NotRun,
  DataNotHere,
  NoModel,   // the program has no such network
  NoRecipe,  // nothing says how to make it yet
  NoFigure,  // the source gives no number
};
const char* name_of(CellVerdict verdict);  // "reproduced", "not reproduced", "data not here", ...

struct Cell {
  std::string metric;
  std::optional<double> published;
  bool second_hand = false;
  Summary ours;
  std::optional<double> difference;  // ours - published
  int64_t seeds_needed =
      0;  // undecided: with so many, if mean and deviation stay; 0: none would do
  CellVerdict verdict = CellVerdict::NotRun;
};

struct TableRow {
  PaperRow row;
  std::vector<Cell> cells;
  std::vector<std::string> configurations = {};  // digests of its recipe's that the store has
};

// What the table needs to know of the program's parts.
struct TableContext {
  // A recipe with replaced keys -> the digests of its configurations; empty when there is no such
  // recipe (yet).
  std::function<std::vector<std::string>(const std::string&,
                                         const std::map<std::string, std::string>&)>
      configurations;
  // Whether there is a network that papers call so ("ResNet-20").
  std::function<bool(const std::string&)> has_model;
  // Whether the data of a dataset, as papers call it ("CIFAR-10"), is here.
  std::function<bool(const std::string&)> has_data;
  double tolerance = 0.5;            // of accuracies, in points
  double relative_tolerance = 0.02;  // of everything else
};

// How a figure stands to a published one. `published_std` is the paper's deviation over as many
// repetitions as ours, 0 where it gives none; equivalence is shown by two one-sided tests
// (Schuirmann 1987) at 95 %. One value of an accuracy decides nothing, of anything else all.
struct Judgement {
  CellVerdict verdict = CellVerdict::Undecided;
  int64_t seeds_needed = 0;
};
Judgement judge_figure(const std::string& metric, const Summary& ours, double published,
                       double published_std, double tolerance);

// Whether less of a metric is better: errors, losses, sizes, times, operations.
bool less_is_better(const std::string& metric);

// Each set of runs is judged against one figure of a kind: the first that was read in the paper
// itself.
std::vector<TableRow> reproduce(const Store* store, const std::vector<PaperRow>& rows,
                                const TableContext& context);

// The paper's shape: methods as rows, metrics as columns, a table for each network on a dataset.
// Formats: "text" (at most `width` columns), "markdown", "latex" (booktabs), and "csv" and "json"
// with a line a figure. Throws Error on another one.
std::string render_table(const std::vector<TableRow>& rows, const std::string& format,
                         size_t width = 120);

// One line of how many cells came out how.
std::string count_verdicts(const std::vector<TableRow>& rows);

}  // namespace quantbench
