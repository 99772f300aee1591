// Sums of many numbers, lane by lane, so that every vector width adds in the same order. For
// sources of kernels.
#pragma once

#include <cstdint>

#include "base/vector_units.h"

namespace quantbench::kernels {

constexpr int64_t kTile = 1024;  // numbers; stays in the first-level cache
constexpr int kLanes = 16;

struct LaneSum {
  double lanes[kLanes] = {};

  // `tile` has room for a multiple of kLanes numbers; those behind the count are overwritten.
  template <typename Real>
  QUANTBENCH_INLINE void add(Real* tile, int64_t count) {
    const int64_t whole = (count + kLanes - 1) / kLanes * kLanes;
    for (int64_t i = count; i < whole; ++i) tile[i] = 0;
    for (int64_t i = 0; i < whole; i += kLanes)
      for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(tile[i + lane]);
  }

  QUANTBENCH_INLINE double total() const {
    double sum = 0;
    for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
    return sum;
  }
};

}  // namespace quantbench::kernels
