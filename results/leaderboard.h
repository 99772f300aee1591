// The leaderboard: one HTML page that holds every run of a store and fetches nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "results/store.h"

namespace quantbench {

// What the page says of a method beside its name.
struct BoardMethod {
  std::string title, paper, arxiv;
  int year = 0;
};

// A published top-1, in percent.
struct BoardFigure {
  std::string paper;
  double value = 0;
  bool second_hand = false;
};

struct LeaderboardConfig {
  // How many runs keep their recipe, layers, curves and provenance on the page: those that
  // regressed, the best of each method on each task, then the newest. All others keep their line in
  // the table.
  int64_t details = 200;
  std::string made;  // when, as people read it
  std::map<std::string, BoardMethod> methods = {};
  // Another page beside this one, to which it links: (file, what people call it); empty: none.
  std::pair<std::string, std::string> beside = {};
  // What papers report of configurations, by their digests (results/contract_rows.h).
  std::map<std::string, std::vector<BoardFigure>> published = {};
};

// Text of the store enters the page only as JSON whose '<' are escaped, and the page's script only
// ever makes text nodes of it. Throws Error when quantbench was built without the page.
std::string leaderboard_html(const Store& store, const LeaderboardConfig& config);

// JSON that can stand in a <script> element: '<' as \u003c, what is not UTF-8 replaced.
std::string script_json(const std::string& json);

}  // namespace quantbench
