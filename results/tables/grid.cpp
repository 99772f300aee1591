#include "results/tables/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "results/tables/grid_latex.h"

namespace quantbench {
namespace {

constexpr size_t kLeast = 10;  // what a column that shrinks keeps

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::string padded(const std::string& text, size_t width, bool right) {
  const size_t own = display_width(text);
  const std::string blanks(width > own ? width - own : 0, ' ');
  return right ? blanks + text : text + blanks;
}

std::string text_cell(const Grid::Cell& cell) { return (cell.best ? ">" : "") + cell.text; }

std::vector<size_t> widths_of(const Grid& grid, size_t width) {
  std::vector<size_t> out;
  for (size_t i = 0; i < grid.columns.size(); ++i) {
    size_t most = display_width(grid.columns[i].title);
    for (const Grid::Row& row : grid.rows)
      most = std::max(most, display_width(text_cell(row.cells[i])));
    out.push_back(most);
  }
  size_t total = std::accumulate(out.begin(), out.end(), 2 * (out.size() - 1));
  // The widest of those that shrink gives way first.
  while (total > width) {
    size_t widest = out.size();
    for (size_t i = 0; i < out.size(); ++i)
      if (grid.columns[i].shrinks && out[i] > kLeast &&
          (widest == out.size() || out[i] > out[widest]))
        widest = i;
    if (widest == out.size()) break;
    --out[widest];
    --total;
  }
  return out;
}

std::string text_grid(const Grid& grid, size_t width) {
  const std::vector<size_t> widths = widths_of(grid, width);
  const size_t total = std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1));
  std::string out = grid.title.empty() ? "" : grid.title + "\n\n";
  const auto line = [&](auto field) {
    std::string row;
    for (size_t i = 0; i < widths.size(); ++i)
      row += (i ? "  " : "") +
             padded(shortened(field(i), widths[i]), widths[i], grid.columns[i].number);
    row.erase(row.find_last_not_of(' ') + 1);
    out += row + "\n";
  };
  line([&](size_t i) { return grid.columns[i].title; });
  out += std::string(total, '-') + "\n";
  for (const Grid::Row& row : grid.rows) {
    if (row.rule) out += std::string(total, '-') + "\n";
    line([&](size_t i) { return text_cell(row.cells[i]); });
  }
  if (!grid.notes.empty()) out += "\n";
  for (const std::string& note : grid.notes) out += wrapped(note, 0, width) + "\n";
  return out;
}

std::string markdown_grid(const Grid& grid) {
  std::string out = grid.title.empty() ? "" : "**" + markdown_text(grid.title) + "**\n\n";
  std::string rule = "|";
  out += "|";
  for (const Grid::Column& column : grid.columns) {
    out += " " + markdown_text(column.title) + " |";
    rule += column.number ? "---:|" : "---|";
  }
  out += "\n" + rule + "\n";
  for (const Grid::Row& row : grid.rows) {
    out += "|";
    for (const Grid::Cell& cell : row.cells)
      out += cell.best ? " **" + markdown_text(cell.text) + "** |"
                       : " " + markdown_text(cell.text) + " |";
    out += "\n";
  }
  for (const std::string& note : grid.notes) out += "\n" + markdown_text(note) + "\n";
  return out;
}

}  // namespace

size_t display_width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string shortened(const std::string& text, size_t most) {
  if (display_width(text) <= most) return text;
  size_t count = 0, at = 0;
  while (at < text.size() && (!begins_character(text[at]) || ++count < most)) ++at;
  return text.substr(0, at) + "~";
}

std::string markdown_text(const std::string& text) {
  std::string out;
  for (char c : printable_line(text)) {
    if (std::string("\\|<>*_[]`").find(c) != std::string::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string render_grid(const Grid& grid, const std::string& format, size_t width) {
  if (format == "text") return printable(text_grid(grid, width));
  if (format == "markdown") return printable(markdown_grid(grid));
  require(format == "latex", "A table is written as text, markdown or latex, not '{}'.", format);
  return printable(latex_grid(grid));
}

}  // namespace quantbench
