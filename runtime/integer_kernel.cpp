#include "runtime/integer_kernel.h"

#include "base/vector_units.h"

namespace quantbench {

QUANTBENCH_CLONES
void multiply(const int16_t* x, int64_t rows, const int16_t* w, int64_t columns, int64_t length,
              int32_t* out) {
  for (int64_t c = 0; c < columns; c += kWeightBlock) {
    const int16_t* w0 = w + c * length;
    const int16_t* w1 = w0 + length;
    const int16_t* w2 = w1 + length;
    const int16_t* w3 = w2 + length;
    for (int64_t r = 0; r < rows; ++r) {
      const int16_t* row = x + r * length;
      int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
      for (int64_t i = 0; i < length / kOperandBlock * kOperandBlock; ++i) {
        const int32_t value = row[i];
        sum0 += value * w0[i];
        sum1 += value * w1[i];
        sum2 += value * w2[i];
        sum3 += value * w3[i];
      }
      int32_t* sums = out + r * columns + c;
      sums[0] = sum0;
      sums[1] = sum1;
      sums[2] = sum2;
      sums[3] = sum3;
    }
  }
}

QUANTBENCH_CLONES
void multiply(const int32_t* x, int64_t rows, const int32_t* w, int64_t columns, int64_t length,
              int64_t* out) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      int64_t sum = 0;
      for (int64_t i = 0; i < length; ++i)
        sum += static_cast<int64_t>(x[r * length + i]) * w[c * length + i];
      out[r * columns + c] = sum;
    }
}

}  // namespace quantbench
