// Tables for LaTeX, as text and, where pdflatex is, as pages.
#include "results/tables/grid_latex.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/file.h"
#include "results/tables/reproduction.h"
#include "tests/results/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Grid grid_of(size_t columns, size_t letters) {
  Grid grid;
  Grid::Row row;
  for (size_t i = 0; i < columns; ++i) {
    grid.columns.push_back({"c", i > 0});
    row.cells.push_back({std::string(letters, '8')});
  }
  grid.rows.push_back(row);
  return grid;
}

TEST(GridLatex, LettersGetSmallerWhereATableIsWide) {
  EXPECT_THAT(latex_grid(grid_of(5, 8)), HasSubstr("% needs \\usepackage{booktabs}\n\\begin"));
  EXPECT_THAT(latex_grid(grid_of(8, 9)), HasSubstr("{\\footnotesize\n\\begin{tabular}"));
  EXPECT_THAT(latex_grid(grid_of(8, 9)), HasSubstr("\\end{tabular}\n\\par}\n"));
}

TEST(GridLatex, LongTextsAreBroken) {
  Grid grid = grid_of(3, 6);
  grid.rows[0].cells[0].text = std::string(30, 'a') + " " + std::string(60, 'b');

  EXPECT_THAT(latex_grid(grid), HasSubstr("booktabs,array"));
  EXPECT_THAT(latex_grid(grid), HasSubstr("{>{\\raggedright\\arraybackslash}p{344pt}rr}"));
}

class GridLatexPages : public StoreTest {
 protected:
  void SetUp() override {
    if (std::system("command -v pdflatex >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "There is no pdflatex (scripts/install_deps.sh --dev).";
  }

  // What pdflatex says of the pages of `body`.
  std::string log_of(const std::string& body) const {
    write_atomically(path("t.tex"),
                     "\\documentclass{article}\n\\usepackage[a4paper,margin=25mm]{geometry}\n"
                     "\\usepackage{booktabs,longtable,array}\n\\begin{document}\n" +
                         body + "\\end{document}\n");
    const std::string folder = path("").string();
    EXPECT_EQ(std::system(("cd '" + folder +
                           "' && pdflatex -interaction=nonstopmode -halt-on-error "
                           "t.tex >out 2>&1")
                              .c_str()),
              0);
    return read_file(path("out"));
  }
};

TEST_F(GridLatexPages, AnyTextCompiles) {
  Grid grid = grid_of(2, 5);
  std::string every;
  for (char c = ' '; c < 127; ++c) every += c;
  grid.title = grid.columns[0].title = grid.rows[0].cells[1].text = every;
  grid.notes = {every, "± 0.1"};

  EXPECT_THAT(log_of(latex_grid(grid)), HasSubstr("Output written"));
}

TEST_F(GridLatexPages, TablesOfEveryPaperCompileAndFitTheirPage) {
  TableContext nothing;
  nothing.configurations = [](const auto&, const auto&) { return std::vector<std::string>(); };
  nothing.has_model = nothing.has_data = [](const std::string&) { return true; };
  std::string body;
  for (const std::string& name : paper_names(embedded_papers()))
    body +=
        render_table(reproduce(nullptr, paper_rows(embedded_papers(), name), nothing), "latex") +
        "\\clearpage\n";

  const std::string log = log_of(body);

  EXPECT_THAT(log, HasSubstr("Output written"));
  EXPECT_THAT(log, Not(HasSubstr("Overfull \\hbox")));
}

}  // namespace
}  // namespace quantbench
