// Counting the thresholds below a number without searching for them.
#pragma once

#include <cstdint>
#include <vector>

namespace quantbench {

// The line, cut into equal cells, each of which knows how many thresholds lie in those before it.
class ThresholdCells {
 public:
  ThresholdCells() = default;
  // `thresholds` ascend.
  explicit ThresholdCells(std::vector<float> thresholds);

  // n[i] = levels[number of thresholds below u[i]]; none lies below NaN. `levels` holds one more
  // number than there are thresholds.
  void count_below(const float* u, int64_t count, const int32_t* levels, int32_t* n) const;

 private:
  float first_ = 0, cells_per_unit_ = 0;
  std::vector<int32_t> before_;
  int32_t most_in_a_cell_ = 0;
  std::vector<float> thresholds_;  // and infinity, which is never below
};

}  // namespace quantbench
