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
  Reproduced,  // within the tolerance
  NotReproduced,
  NotMeasured,  // runs are there, but this program has no such figure
  NotRun,
  DataNotHere,
  NoFigure,  // the source gives no number
};
const char* name_of(CellVerdict verdict);  // "reproduced", "not reproduced", "data not here", ...

struct Cell {
  std::string metric;
  std::optional<double> published;
  bool second_hand = false;
  Summary ours;
  std::optional<double> difference;  // ours - published
  CellVerdict verdict = CellVerdict::NotRun;
};

struct TableRow {
  PaperRow row;
  std::vector<Cell> cells;
};

// What the table needs to know of the program's parts.
struct TableContext {
  // A recipe with replaced keys -> the digests of its configurations; empty when there is no such
  // recipe (yet).
  std::function<std::vector<std::string>(const std::string&,
                                         const std::map<std::string, std::string>&)>
      configurations;
  // Whether the data of a dataset, as papers call it ("CIFAR-10"), is here.
  std::function<bool(const std::string&)> has_data;
  double tolerance = 0.5;            // of accuracies, in points
  double relative_tolerance = 0.02;  // of everything else
};

std::vector<TableRow> reproduce(const Store* store, const std::vector<PaperRow>& rows,
                                const TableContext& context);

// Formats: "text", "markdown", "csv", "json", "latex" (with booktabs). Throws Error on another one.
std::string render_table(const std::vector<TableRow>& rows, const std::string& format);

// One line of how many cells came out how.
std::string count_verdicts(const std::vector<TableRow>& rows);

}  // namespace quantbench
