// The inner loops of Degree-Quant on the CPU: rows [rows, width] of float32 of which some are
// protected and pass unchanged. `keep` has a byte a row, 1: protected; nullptr: none is.
#pragma once

#include <cstdint>

#include "methods/common/kernels.h"

namespace quantbench::kernels {

struct RowBlock {
  const float* x = nullptr;
  const uint8_t* keep = nullptr;
  int64_t rows = 0, width = 1;
};

// How many elements of the rows that count there are, and how many lie beyond low..high.
struct Beyond {
  int64_t total = 0, below = 0, above = 0;

  Beyond& operator+=(const Beyond& o) {
    total += o.total;
    below += o.below;
    above += o.above;
    return *this;
  }
};
Beyond count_beyond(RowBlock block, float low, float high);

// Writes the elements of the rows that count which lie below `bound` (above: beyond it on the other
// side) to `out`, which has room for them, and returns how many they are.
int64_t collect_beyond(RowBlock block, float bound, bool above, float* out);

// The smallest and the largest element of the rows that count.
Extremes row_extremes(RowBlock block);

// y = the grid's value of x, or x in protected rows. open (may be nullptr) gets 1 where the
// gradient passes: in protected rows, and where the unclamped code lies strictly between the grid's
// ends. Counts what lies beyond low..high on the way, as count_beyond() does.
Beyond quantize_rows(RowBlock block, float* y, uint8_t* open, Grid grid, float low, float high);

// gradient where open, else 0: into dx, or in place.
void gate(const float* gradient, const uint8_t* open, float* dx, int64_t n);
void gate_in_place(float* gradient, const uint8_t* open, int64_t n);

}  // namespace quantbench::kernels
