// What changed between a run and the one before it of the same recipe and seed, on the same data
// and machine: how a nightly notices that something got worse.
#pragma once

#include <string>
#include <vector>

#include "results/board.h"

namespace quantbench {

struct Change {
  enum class Kind { Regressed, Improved, New };
  Kind kind = Kind::New;
  int64_t run = 0, before = 0;  // before 0: its first run
  std::string what;             // "method model/dataset seed settings"
  std::string sentence;
};

// Of runs that started at `since` (UTC, ISO 8601, or its beginning) or later; "" for all. A run
// that is still running is no change. Regressed is
// - a run that failed or is mistrusted where the one before was ok,
// - top-1 lower by more than two standard errors of the difference of two shares,
// - a package more than 1 % larger,
// - a latency of the package (never a simulated one), of the same kind, more than 10 % up whose
//   interval lies wholly above the old one.
std::vector<Change> changes(const Board& board, const std::string& since = "",
                            bool with_new = true);

// "text", "markdown" (a short summary of a night) or "json". Throws Error on another format.
std::string render_changes(const std::vector<Change>& changes, const std::string& format);

bool any_regressed(const std::vector<Change>& changes);

}  // namespace quantbench
