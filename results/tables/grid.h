// A table as people read it: cells of text in columns, written for a terminal, Markdown or LaTeX.
#pragma once

#include <string>
#include <vector>

namespace quantbench {

struct Grid {
  struct Column {
    std::string title;
    bool number = false;   // to the right
    bool shrinks = false;  // cut, with a '~', where the table would be too wide
  };
  struct Cell {
    std::string text;
    bool best = false;  // bold; in text after a '>'
  };
  struct Row {
    std::vector<Cell> cells;  // one a column
    bool rule = false;        // a line above it
  };

  std::string title;
  std::vector<Column> columns;
  std::vector<Row> rows;
  std::vector<std::string> notes;  // a line each, below
};

// Columns on a terminal that `text` takes: characters, not bytes.
size_t display_width(const std::string& text);

// `text` cut to `most` characters, the last of them '~' where something was lost; UTF-8 stays
// whole.
std::string shortened(const std::string& text, size_t most);

// Formats "text" (at most `width` columns, while the columns that shrink suffice), "markdown" and
// "latex" (grid_latex.h). Control characters become '?'. Throws Error on
// another format.
std::string render_grid(const Grid& grid, const std::string& format, size_t width = 100);

// `text` for Markdown: its special characters escaped.
std::string markdown_text(const std::string& text);

}  // namespace quantbench
