#include "results/tables/grid.h"

#include <gmock/gmock.h>

#include <sstream>

#include "tests/results/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Grid some_grid() {
  Grid grid;
  grid.title = "A & B";
  grid.columns = {{"method", false, true}, {"top-1", true, false}};
  grid.rows = {{{{"uniform"}, {"90.00 \u00b1 0.10"}}, false},
               {{{"hawq_v2"}, {"91.00", true}}, true}};
  grid.notes = {"a note"};
  return grid;
}

TEST(Grid, TextStandsInColumnsOfCharacters) {
  EXPECT_EQ(render_grid(some_grid(), "text"),
            "A & B\n\n"
            "method          top-1\n"
            "---------------------\n"
            "uniform  90.00 \u00b1 0.10\n"
            "---------------------\n"
            "hawq_v2        >91.00\n"
            "\na note\n");
}

TEST(Grid, ColumnsThatShrinkKeepItWithinTheWidth) {
  Grid grid = some_grid();
  grid.rows[0].cells[0].text = std::string(200, 'x');
  grid.notes.push_back(
      "a sentence of many short words that goes on and on beyond the sixty columns");

  std::istringstream lines(render_grid(grid, "text", 60));

  for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 60u) << line;
  EXPECT_THAT(render_grid(grid, "text", 60), HasSubstr("x~"));
}

TEST(Grid, MarkdownAndLatexEscapeAndEmphasize) {
  const std::string markdown = render_grid(some_grid(), "markdown"),
                    latex = render_grid(some_grid(), "latex");

  EXPECT_THAT(markdown, HasSubstr("| hawq\\_v2 | **91.00** |"));
  EXPECT_THAT(latex, HasSubstr("hawq\\_v2 & \\textbf{91.00} \\\\"));
  EXPECT_THAT(latex, HasSubstr("90.00 $\\pm$ 0.10"));
  EXPECT_THAT(latex, HasSubstr("\\begin{tabular}{lr}"));
  EXPECT_THROW(render_grid(some_grid(), "pdf"), Error);
}

TEST(Grid, MoreRowsThanAPageHasBecomeALongTable) {
  Grid grid = some_grid();
  grid.rows.resize(50, grid.rows[0]);

  EXPECT_THAT(render_grid(grid, "latex"), HasSubstr("\\begin{longtable}{lr}"));
  EXPECT_THAT(render_grid(grid, "latex"), HasSubstr("\\endhead"));
  EXPECT_THAT(render_grid(some_grid(), "latex"), Not(HasSubstr("longtable")));
}

TEST(Grid, ControlCharactersReachNoTerminal) {
  Grid grid = some_grid();
  grid.rows[0].cells[0].text = "evil\x1b[2J";

  EXPECT_THAT(render_grid(grid, "text"), HasSubstr("evil?[2J"));
}

}  // namespace
}  // namespace quantbench
