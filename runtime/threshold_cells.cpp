#include "runtime/threshold_cells.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/vector_units.h"

namespace quantbench {
namespace {

constexpr size_t kCellsPerThreshold = 8;
constexpr int32_t kFew = 8;  // in a cell, compared one after the other

// Never falls as u grows, so that a threshold in a cell before u's lies below u. NaN is in the
// first.
QUANTBENCH_INLINE int32_t cell_of(float u, float first, float cells_per_unit, float last) {
  const float at = (u - first) * cells_per_unit + 1;
  return static_cast<int32_t>(std::min(std::max(0.0f, at), last));
}

// Without a branch, which would be guessed wrongly.
QUANTBENCH_CLONES
void count_in_cells(const float* u, int64_t count, float first, float cells_per_unit, float last,
                    const int32_t* before, const float* thresholds, int32_t most, int32_t* n) {
  if (most == 1) {
    for (int64_t i = 0; i < count; ++i) {
      const int32_t code = before[cell_of(u[i], first, cells_per_unit, last)];
      n[i] = code + (thresholds[code] < u[i] ? 1 : 0);
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    int32_t code = before[cell_of(u[i], first, cells_per_unit, last)];
    for (int32_t k = 0; k < most; ++k) code += thresholds[code] < u[i] ? 1 : 0;
    n[i] = code;
  }
}

}  // namespace

ThresholdCells::ThresholdCells(std::vector<float> thresholds) : thresholds_(std::move(thresholds)) {
  const size_t cells = kCellsPerThreshold * thresholds_.size() + 2;
  if (!thresholds_.empty()) {
    first_ = thresholds_.front();
    cells_per_unit_ = static_cast<float>(cells - 2) / (thresholds_.back() - first_);
  }
  // One cell for all where the thresholds span nothing, or more than a float holds.
  if (!std::isfinite(first_) || !std::isfinite(cells_per_unit_)) first_ = cells_per_unit_ = 0;
  before_.assign(cells_per_unit_ == 0 ? 1 : cells, 0);
  std::vector<int32_t> inside(before_.size(), 0);
  const auto last = static_cast<float>(before_.size() - 1);
  for (float threshold : thresholds_)
    ++inside[static_cast<size_t>(cell_of(threshold, first_, cells_per_unit_, last))];
  std::partial_sum(inside.begin(), inside.end() - 1, before_.begin() + 1);
  most_in_a_cell_ = *std::max_element(inside.begin(), inside.end());
  thresholds_.push_back(std::numeric_limits<float>::infinity());
}

void ThresholdCells::count_below(const float* u, int64_t count, const int32_t* levels,
                                 int32_t* n) const {
  if (most_in_a_cell_ <= kFew)
    count_in_cells(u, count, first_, cells_per_unit_, static_cast<float>(before_.size() - 1),
                   before_.data(), thresholds_.data(), most_in_a_cell_, n);
  else
    for (int64_t i = 0; i < count; ++i)
      n[i] = static_cast<int32_t>(
          std::lower_bound(thresholds_.begin(), thresholds_.end() - 1, u[i]) - thresholds_.begin());
  for (int64_t i = 0; i < count; ++i) n[i] = levels[n[i]];
}

}  // namespace quantbench
