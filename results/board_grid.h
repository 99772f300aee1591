// The leaderboard as a table for a terminal, a README or a paper: the rows of one page (see
// leaderboard.h), in groups that are like for like and sections by bit budget.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "results/entries.h"
#include "results/leaderboard.h"
#include "results/tables/grid.h"

namespace quantbench {

// A grid a task. Places are given within one group and bit budget only; the best of
// several is bold.
// `published` are figures by the digests of configurations.
std::vector<Grid> board_grids(const Store& store, const Board& board,
                              const std::vector<BoardEntry>& entries,
                              const std::map<std::string, std::vector<BoardFigure>>& published);

}  // namespace quantbench
