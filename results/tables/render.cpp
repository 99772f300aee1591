// How a reproduced table is written: for a terminal, Markdown, CSV, JSON, LaTeX.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "results/tables/csv.h"
#include "results/tables/grid.h"
#include "results/tables/reproduction.h"

namespace quantbench {
namespace {

using Line = std::vector<std::string>;

constexpr size_t kMostMetrics = 3;  // beside each other in one table

std::string number(double value) {
  if (std::abs(value) >= 1e5) return fmt::format("{:.4g}", value);
  std::string out = fmt::format("{:.3f}", value);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out;
}

std::string ours_of(const Cell& cell) {
  if (cell.ours.n == 0) return "";
  std::string out = number(cell.ours.mean);
  if (!std::isnan(cell.ours.std)) out += " \u00b1 " + number(cell.ours.std);
  switch (cell.verdict) {
    case CellVerdict::Reproduced:
      return out + " =";
    case CellVerdict::Better:
      return out + " +";
    case CellVerdict::NotReproduced:
      return out + " -";
    case CellVerdict::Undecided:
      return out + " ?";
    default:
      return out;
  }
}

std::string verdict_of(const Cell& cell) {
  std::string out = name_of(cell.verdict);
  if (cell.verdict == CellVerdict::SameRuns) return "(same runs)";
  if (cell.verdict != CellVerdict::Undecided) return out;
  return out + (cell.seeds_needed > 0 ? fmt::format(", {} seeds", cell.seeds_needed)
                                      : ", at the tolerance");
}

std::string bits_of(const PaperRow& row) {
  return row.activation_bits.empty() ? row.weight_bits
                                     : row.weight_bits + "/" + row.activation_bits;
}

// The distinct sources in order of appearance; a line refers to them by number.
std::vector<std::string> sources_of(const std::vector<TableRow>& rows) {
  std::vector<std::string> out;
  for (const TableRow& row : rows)
    if (std::find(out.begin(), out.end(), row.row.source) == out.end())
      out.push_back(row.row.source);
  return out;
}

// One method of a paper on one network: its figures by metric.
struct MethodLine {
  const PaperRow* row = nullptr;
  std::map<std::string, const Cell*> cells;
};

// One table of a paper for one network and dataset.
struct Block {
  std::string title;
  std::vector<std::string> metrics;  // in order of appearance
  std::vector<MethodLine> lines;
};

bool same_line(const PaperRow& a, const PaperRow& b) {
  return a.method == b.method && a.weight_bits == b.weight_bits &&
         a.activation_bits == b.activation_bits;
}

std::vector<Block> blocks_of(const std::vector<TableRow>& rows) {
  std::vector<Block> out;
  for (const TableRow& row : rows) {
    const PaperRow& r = row.row;
    const std::string table = r.table.empty() ? r.paper
                              : r.table.find_first_not_of("0123456789") == std::string::npos
                                  ? "Table " + r.table
                                  : r.table;
    const std::string title = fmt::format("{}: {} on {}", table, r.model, r.dataset);
    auto block = std::find_if(out.begin(), out.end(),
                              [&](const Block& known) { return known.title == title; });
    if (block == out.end()) block = out.insert(out.end(), Block{title, {}, {}});
    for (const Cell& cell : row.cells) {
      if (std::find(block->metrics.begin(), block->metrics.end(), cell.metric) ==
          block->metrics.end())
        block->metrics.push_back(cell.metric);
      // A second figure of the same kind (another source) gets a line of its own.
      auto line = std::find_if(block->lines.begin(), block->lines.end(), [&](const MethodLine& l) {
        return same_line(*l.row, r) && l.cells.count(cell.metric) == 0;
      });
      if (line == block->lines.end())
        line = block->lines.insert(block->lines.end(), MethodLine{&r, {}});
      line->cells[cell.metric] = &cell;
    }
  }
  return out;
}

// The best value of a metric among the lines, published or ours; NaN when there is none.
double best_of(const Block& block, const std::string& metric, bool ours) {
  double best = NAN;
  for (const MethodLine& line : block.lines) {
    const auto found = line.cells.find(metric);
    if (found == line.cells.end()) continue;
    const Cell& cell = *found->second;
    const double value = ours ? (cell.ours.n ? cell.ours.mean : NAN) : cell.published.value_or(NAN);
    if (std::isnan(value)) continue;
    if (std::isnan(best) || (less_is_better(metric) ? value < best : value > best)) best = value;
  }
  return best;
}

Grid grid_of(const Block& block, const std::vector<std::string>& metrics,
             const std::vector<std::string>& sources) {
  Grid grid;
  grid.title = block.title;
  grid.columns = {{"method", false, true}, {"W/A", false, true}};
  for (const std::string& metric : metrics) {
    grid.columns.push_back({metric, true});
    grid.columns.push_back({"ours", true});
  }
  grid.columns.push_back({"n", true});
  grid.columns.push_back({"verdict", false, true});
  grid.columns.push_back({"source"});
  for (const MethodLine& line : block.lines) {
    const auto source =
        std::find(sources.begin(), sources.end(), line.row->source) - sources.begin() + 1;
    Grid::Row row{{{line.row->method}, {bits_of(*line.row)}}, false};
    const Cell* telling = nullptr;
    for (const std::string& metric : metrics) {
      const auto found = line.cells.find(metric);
      if (found == line.cells.end()) {
        row.cells.insert(row.cells.end(), 2, Grid::Cell{"", false});
        continue;
      }
      const Cell& cell = *found->second;
      const std::string published =
          cell.published ? number(*cell.published) + (cell.second_hand ? "*" : "") : "-";
      row.cells.push_back({published, cell.published == best_of(block, metric, false)});
      row.cells.push_back(
          {ours_of(cell), cell.ours.n > 0 && cell.ours.mean == best_of(block, metric, true)});
      if (telling == nullptr || (telling->ours.n == 0 && cell.ours.n > 0)) telling = &cell;
    }
    if (telling == nullptr) continue;
    row.cells.push_back({telling->ours.n ? std::to_string(telling->ours.n) : ""});
    row.cells.push_back({verdict_of(*telling)});
    row.cells.push_back({fmt::format("[{}]", source)});
    grid.rows.push_back(std::move(row));
  }
  return grid;
}

std::vector<Grid> grids_of(const std::vector<TableRow>& rows) {
  const std::vector<std::string> sources = sources_of(rows);
  std::vector<Grid> out;
  for (const Block& block : blocks_of(rows))
    for (size_t first = 0; first < block.metrics.size(); first += kMostMetrics) {
      const size_t last = std::min(first + kMostMetrics, block.metrics.size());
      Grid grid = grid_of(block,
                          {block.metrics.begin() + static_cast<std::ptrdiff_t>(first),
                           block.metrics.begin() + static_cast<std::ptrdiff_t>(last)},
                          sources);
      if (first > 0) grid.title += " (continued)";
      if (!grid.rows.empty()) out.push_back(std::move(grid));
    }
  return out;
}

std::vector<std::string> notes_of(const std::vector<TableRow>& rows) {
  std::vector<std::string> out{
      count_verdicts(rows) + ".",
      "Ours: mean and deviation over n seeds; = reproduced (equivalent within the tolerance at 95 "
      "%), + better, - not reproduced,",
      "? undecided, and how many seeds would do. > (bold) the best of its column. * second-hand: "
      "not "
      "read in the paper itself."};
  const auto sources = sources_of(rows);
  for (size_t i = 0; i < sources.size(); ++i)
    out.push_back(fmt::format("[{}] {}", i + 1, sources[i]));
  return out;
}

std::string shaped_table(const std::vector<TableRow>& rows, const std::string& format,
                         size_t width) {
  std::vector<Grid> grids = grids_of(rows);
  if (!grids.empty()) grids.back().notes = notes_of(rows);
  std::string out;
  for (const Grid& grid : grids)
    out += (out.empty() ? "" : "\n") + render_grid(grid, format, width);
  return out;
}

// Every figure in full, for programs: the columns of the CSV and the keys of the JSON.
nlohmann::ordered_json cell_json(const TableRow& row, const Cell& cell) {
  const PaperRow& r = row.row;
  std::vector<std::string> keys;
  for (const auto& [key, value] : r.keys) keys.push_back(key + "=" + value);
  const auto finite = [](double v) {
    return std::isfinite(v) ? nlohmann::ordered_json(v) : nlohmann::ordered_json(nullptr);
  };
  const auto maybe = [&](const std::optional<double>& v) { return finite(v.value_or(NAN)); };
  return {{"paper", r.paper},
          {"table", r.table},
          {"dataset", r.dataset},
          {"model", r.model},
          {"method", r.method},
          {"w_bits", r.weight_bits},
          {"a_bits", r.activation_bits},
          {"metric", cell.metric},
          {"published", maybe(cell.published)},
          {"second_hand", cell.second_hand},
          {"ours_mean", finite(cell.ours.n ? cell.ours.mean : NAN)},
          {"ours_std", finite(cell.ours.n ? cell.ours.std : NAN)},
          {"n", cell.ours.n},
          {"difference", maybe(cell.difference)},
          {"verdict", name_of(cell.verdict)},
          {"seeds_needed", cell.seeds_needed ? nlohmann::ordered_json(cell.seeds_needed) : nullptr},
          {"recipe", r.recipe},
          {"keys", fmt::format("{}", fmt::join(keys, ";"))},
          {"configurations", fmt::format("{}", fmt::join(row.configurations, " "))},
          {"source", r.source}};
}

std::string csv_table(const std::vector<TableRow>& rows) {
  std::string out;
  for (const TableRow& row : rows)
    for (const Cell& cell : row.cells) {
      const auto json = cell_json(row, cell);
      Line names, fields;
      for (const auto& [key, value] : json.items()) {
        names.push_back(key);
        fields.push_back(csv_field(value.is_string() ? value.get<std::string>()
                                   : value.is_null() ? ""
                                                     : value.dump()));
      }
      if (out.empty()) out = fmt::format("{}\n", fmt::join(names, ","));
      out += fmt::format("{}\n", fmt::join(fields, ","));
    }
  return out;
}

std::string json_table(const std::vector<TableRow>& rows) {
  auto out = nlohmann::ordered_json::array();
  for (const TableRow& row : rows)
    for (const Cell& cell : row.cells) out.push_back(cell_json(row, cell));
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string render_table(const std::vector<TableRow>& rows, const std::string& format,
                         size_t width) {
  if (format == "csv") return csv_table(rows);
  if (format == "json") return json_table(rows);
  require(format == "text" || format == "markdown" || format == "latex",
          "A table is written as text, markdown, csv, json or latex, not '{}'.", format);
  return shaped_table(rows, format, width);
}

}  // namespace quantbench
