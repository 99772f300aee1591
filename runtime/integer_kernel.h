// Products of integer matrices, exact: the inner loops of the reference executor.
#pragma once

#include <cstdint>

namespace quantbench {

// Rows of 16-bit operands are padded with zeros to a multiple of this.
inline constexpr int64_t kOperandBlock = 32;
// Rows of weights are padded with rows of zeros to a multiple of this.
inline constexpr int64_t kWeightBlock = 4;

// out[r * columns + c] = sum over i < length of x[r * length + i] * w[c * length + i]. The caller
// sees to it that no sum leaves int32. `columns` is a multiple of kWeightBlock, `length` of
// kOperandBlock.
void multiply(const int16_t* x, int64_t rows, const int16_t* w, int64_t columns, int64_t length,
              int32_t* out);

// The same with 64-bit sums and any `columns` and `length`.
void multiply(const int32_t* x, int64_t rows, const int32_t* w, int64_t columns, int64_t length,
              int64_t* out);

}  // namespace quantbench
