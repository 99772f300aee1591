#include "results/tables/grid_latex.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace quantbench {
namespace {

constexpr size_t kLongTable = 40;  // rows that fit on a page

// How a table is set so that it fits between the margins of a page: the largest size of letters
// that does, columns of long texts broken into lines.
struct LatexSetting {
  std::string size, columns;
  bool breaks = false;
};

LatexSetting latex_setting(const Grid& grid) {
  // Points: A4 between margins of 2.5 cm, a letter at 10 points.
  constexpr double kPage = 450, kLetter = 5.8;
  constexpr size_t kLongText = 30;  // letters; of a column that may be broken, this many stay
  struct Size {
    const char* command;
    double factor, gap;  // of letters; between columns
  };
  std::vector<size_t> longest(grid.columns.size());
  for (size_t i = 0; i < longest.size(); ++i) {
    longest[i] = display_width(grid.columns[i].title);
    for (const Grid::Row& row : grid.rows)
      longest[i] = std::max(longest[i], display_width(row.cells[i].text));
  }
  LatexSetting out;
  for (const Size& size :
       {Size{"", 1, 12}, Size{"\\small", 0.9, 12}, Size{"\\footnotesize", 0.8, 12},
        Size{"\\scriptsize", 0.7, 12}, Size{"\\scriptsize\\setlength{\\tabcolsep}{2pt}", 0.7, 4}}) {
    const double letter = kLetter * size.factor;
    double left = kPage - size.gap * static_cast<double>(longest.size()), texts = 0;
    for (size_t letters : longest)
      letters > kLongText ? texts += 1 : left -= letter * static_cast<double>(letters);
    const double each = texts > 0 ? left / texts : 0, least = letter * kLongText;
    out = {size.command, "", texts > 0};
    for (size_t i = 0; i < longest.size(); ++i)
      out.columns += longest[i] > kLongText
                         ? fmt::format(">{{\\raggedright\\arraybackslash}}p{{{:.0f}pt}}",
                                       std::max(each, least))
                     : grid.columns[i].number ? "r"
                                              : "l";
    if (texts > 0 ? each >= least : left >= 0) break;
  }
  return out;
}

}  // namespace

std::string latex_grid(const Grid& grid) {
  const bool longer = grid.rows.size() >= kLongTable;
  const LatexSetting setting = latex_setting(grid);
  std::string head, out;
  for (const Grid::Column& column : grid.columns)
    head += (head.empty() ? "" : " & ") + latex_text(column.title);
  head += " \\\\\n\\midrule\n";
  out += fmt::format("% needs \\usepackage{{booktabs{}{}}}\n", longer ? ",longtable" : "",
                     setting.breaks ? ",array" : "");
  if (!grid.title.empty()) out += "% " + latex_text(grid.title) + "\n";
  if (!setting.size.empty()) out += "{" + setting.size + "\n";
  const char* kind = longer ? "longtable" : "tabular";
  out += fmt::format("\\begin{{{}}}{{{}}}\n\\toprule\n{}{}", kind, setting.columns, head,
                     longer ? "\\endhead\n" : "");
  for (const Grid::Row& row : grid.rows) {
    if (row.rule) out += "\\midrule\n";
    for (size_t i = 0; i < row.cells.size(); ++i) {
      const std::string text = latex_text(row.cells[i].text);
      out += (i ? " & " : "") + (row.cells[i].best ? "\\textbf{" + text + "}" : text);
    }
    out += " \\\\\n";
  }
  out += fmt::format("\\bottomrule\n\\end{{{}}}\n", kind);
  if (!setting.size.empty()) out += "\\par}\n";
  for (const std::string& note : grid.notes) out += "\n\\par " + latex_text(note) + "\n";
  return out;
}

std::string latex_text(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (text.compare(i, 2, "\u00b1") == 0) {
      out += "$\\pm$";
      ++i;
    } else if (c == '\\') {
      out += "\\textbackslash{}";
    } else if (c == '~') {
      out += "\\textasciitilde{}";
    } else if (c == '^') {
      out += "\\textasciicircum{}";
    } else if (c == '<') {
      out += "\\textless{}";
    } else if (c == '>') {
      out += "\\textgreater{}";
    } else {
      if (std::string("&%$#_{}").find(c) != std::string::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace quantbench
