// A store's runs held against those of the reference: which of its runs came out again, and how.
#pragma once

#include <string>
#include <vector>

#include "results/store.h"

namespace quantbench {

struct Replay {
  enum class Kind {
    Exact,        // weights, package and predictions have the same hashes
    WithinNoise,  // other bits, but an accuracy that another seed or another draw of the test
                  // samples could have had
    Different
  };
  Kind kind = Kind::Different;
  int64_t run = 0;                      // in the store
  std::string reference;                // uid of the run there
  std::string what;                     // "METHOD on MODEL / DATASET, seed N, SETTINGS"
  std::string status;                   // of the store's run
  double top1 = 0, reference_top1 = 0;  // shares; NaN: none
};
const char* name_of(Replay::Kind kind);  // "exact", "within noise", "different"

// What two runs of one recipe and seed say about each other; noise is two standard errors of the
// difference of two shares of the test samples.
Replay::Kind replayed(const RunResult& before, const RunResult& now);

// Of each recipe, seed, version of the method and data that both have, the store's newest run that
// is over (and not the reference's own). Within noise is what replayed() says of the same
// seed, or what one more seed has with 95 %
// (Student's prediction interval), where the reference has two seeds or more.
std::vector<Replay> replays(const Store& store, const Store& reference);

// "text" (at most `width` columns), "markdown", "latex", "csv" or "json".
std::string render_replays(const std::vector<Replay>& replays, const std::string& format,
                           size_t width);

bool any_different(const std::vector<Replay>& replays);

}  // namespace quantbench
