// Tables for LaTeX.
#pragma once

#include "results/tables/grid.h"

namespace quantbench {

// `grid` as a tabular of booktabs, from 40 rows on as a longtable, in letters so small and with
// columns so broken that it fits between the margins of a page, if the smallest do.
std::string latex_grid(const Grid& grid);

// `text` for LaTeX: its special characters escaped, "±" as math.
std::string latex_text(const std::string& text);

}  // namespace quantbench
