// Tables that stay in vector registers: sixteen positions at once find what belongs to them. They
// pay where a shuffle takes sixteen floats (AVX-512).
#pragma once

#include <cstdint>
#include <vector>

namespace quantbench::kernels {

// Whether this program on this processor looks up faster than it computes.
bool looks_up_fast();

constexpr int64_t kTableLanes = 16;  // look_up works on multiples of so many numbers

// A curve cut into 32 or 64 cells of equal width, with one polynomial each in the distance from the
// middle of the cell, in widths. Beyond its ends it stays what it is there.
struct CurveTable {
  int64_t cells = 0;
  float first = 0, cells_per_position = 1;
  std::vector<float> coefficients;  // of all cells for the highest power, then for the next, ...
};

// y[i] = the curve at position[i]; NaN stays NaN. `count` is a multiple of kTableLanes; y may be
// position.
void look_up(const CurveTable& table, const float* position, float* y, int64_t count);

// Intervals with numbers of their own.
struct IntervalTable {
  static constexpr int64_t kMost = 16, kNumbers = 7;
  // Where they begin, ascending: the first one at -inf, those that are not there at +inf.
  float from[kMost];
  float numbers[kNumbers][kMost];
  int64_t used = kNumbers;  // 3 or all; the others are not looked up
};

// For k < table.used: numbers[k][i] = table.numbers[k] of the last interval that begins below
// position[i]; NaN has the first one's. `count` is a multiple of kTableLanes.
void look_up(const IntervalTable& table, const float* position,
             float* const numbers[IntervalTable::kNumbers], int64_t count);

}  // namespace quantbench::kernels
