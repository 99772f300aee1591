// What papers published, as results/papers/*.csv keep it: one row a figure, with its stated source.
// The files are built into the program. results/papers/recipes.csv says which recipe reproduces
// which rows.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace quantbench {

// Name -> CSV text; "recipes" is the mapping, every other one a paper's file.
const std::map<std::string, std::string>& embedded_papers();

struct PaperRow {
  std::string paper, table, dataset, model, method, weight_bits, activation_bits;
  // (metric, figure): the row's own metric, and where given "size_mb", "w_comp" and "a_comp".
  std::vector<std::pair<std::string, std::optional<double>>> figures;
  double megabyte = 1e6;    // bytes of one "MB" of this paper: results/papers/units.csv
  std::string second_hand;  // "yes": all figures; a metric's name: that one; "": none
  std::string source;
  std::string recipe;                       // "": none reproduces it yet
  std::map<std::string, std::string> keys;  // of the recipe, replaced

  bool is_second_hand(const std::string& metric) const {
    return second_hand == "yes" || second_hand == metric;
  }
};

// The names of the papers' files.
std::vector<std::string> paper_names(const std::map<std::string, std::string>& papers);

// The rows of one file with their recipes; `table`, where not empty, keeps those of one table ("2"
// or "Table 2" or the words of its column). Throws Error when there is no such paper or table, or a
// file is not what it should be.
std::vector<PaperRow> paper_rows(const std::map<std::string, std::string>& papers,
                                 const std::string& name, const std::string& table = "");

}  // namespace quantbench
