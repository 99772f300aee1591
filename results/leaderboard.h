// The leaderboard: one HTML page that holds every run of a store and fetches nothing.
#pragma once

#include <cstdint>
#include <string>

#include "results/store.h"

namespace quantbench {

struct LeaderboardConfig {
  // How many runs keep their recipe, layers, curves and provenance on the page: those that
  // regressed, the best of each method on each task, then the newest. All others keep their line in
  // the table.
  int64_t details = 200;
  std::string made;  // when, as people read it
};

// Text of the store enters the page only as JSON whose '<' are escaped, and the page's script only
// ever makes text nodes of it. Throws Error when quantbench was built without the page.
std::string leaderboard_html(const Store& store, const LeaderboardConfig& config);

// JSON that can stand in a <script> element: '<' as \u003c, what is not UTF-8 replaced.
std::string script_json(const std::string& json);

}  // namespace quantbench
