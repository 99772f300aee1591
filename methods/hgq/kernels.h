// The inner loops of fixed_point(): rows of `length` numbers, each column with its own power of
// two.
#pragma once

#include <cstdint>

namespace quantbench::hgq::kernels {

struct Rows {
  int64_t count = 0, length = 0;
};

struct Columns {
  const float* step;     // 2^-F
  const float* inverse;  // 2^F
};

struct Rule {
  float offset = 0.5f;  // of the rounding: 1/2 or 0
  bool relu = false;    // values below 0 become 0
  float limit = 0;      // and those above become this: +infinity for none
};

// y = fixed-point value of x. low and high, [length] or null, take in the extremes of each column.
void quantize(const float* x, float* y, Rows rows, Columns columns, Rule rule, float* low,
              float* high);

// dx = gradient, where the ReLU lets it pass (dx may be null); error [length] takes in the sums of
// gradient * (x - y) of each column.
void backward(const float* x, const float* gradient, float* dx, Rows rows, Columns columns,
              Rule rule, double* error);

}  // namespace quantbench::hgq::kernels
