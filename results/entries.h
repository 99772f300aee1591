// Configurations as leaderboards rank them: the runs of one recipe but for its seed, of one version
// of its method, pooled over seeds; of a seed that ran again the newest run counts. Configurations
// are ranked within a group that is like for like.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "results/board.h"

namespace quantbench {

// What must be equal for two runs to be ranked together: contract, data, test samples, and the FP32
// accuracy of a weight file in hundredths of a point (-1 where the FP32 network was trained).
using GroupKey = std::tuple<int64_t, int64_t, int64_t, int64_t>;
GroupKey group_of(const BoardRow& row, const Contract& contract);

struct BoardEntry {
  std::string method, model, dataset, settings;
  std::vector<const BoardRow*> runs;  // one a seed, by seed
  int group = 0;                      // among those of its task: 0 is the largest
  double mean = 0;                    // top-1, a share
  std::optional<double> deviation;    // over seeds, of the sample
  std::optional<double> fp32, weight_bits, activation_bits, size_bytes, bops, latency_ms;
  std::optional<double> speed_up;  // of that latency, against the FP32 network in the same runs
  int64_t latency_kind = -1;
  int64_t configuration = 0;
};

// Entries of finished runs with an accuracy, those of one task and group beside each other, larger
// groups first. They point into `board`.
std::vector<BoardEntry> board_entries(const Board& board);

// The places in `entries` of those that no other beats in both accuracy and cost, by cost; entries
// without a cost take no part.
std::vector<size_t> pareto_front(const std::vector<BoardEntry>& entries,
                                 std::optional<double> BoardEntry::*cost);

}  // namespace quantbench
