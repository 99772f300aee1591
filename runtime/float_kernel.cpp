#include "runtime/float_kernel.h"

#include <algorithm>
#include <cmath>

#include "base/vector_units.h"

// std::fma is an instruction in the clones that have it and the C library's, which rounds once as
// well, in the others.
namespace quantbench {

QUANTBENCH_CLONES
void affine(const int32_t* acc, const float* a, const float* b, int64_t count, float* u) {
  for (int64_t i = 0; i < count; ++i) u[i] = std::fma(a[i], static_cast<float>(acc[i]), b[i]);
}

QUANTBENCH_CLONES
void affine(const float* acc, const float* a, const float* b, int64_t count, float* u) {
  for (int64_t i = 0; i < count; ++i) u[i] = std::fma(a[i], acc[i], b[i]);
}

QUANTBENCH_CLONES
bool has_nan(const float* x, int64_t count) {
  int32_t found = 0;
  for (int64_t i = 0; i < count; ++i) found |= x[i] != x[i] ? 1 : 0;
  return found != 0;
}

QUANTBENCH_CLONES
void add_scaled(const int32_t* x, const float* a, int64_t count, float* u) {
  for (int64_t i = 0; i < count; ++i) u[i] = std::fma(a[i], static_cast<float>(x[i]), u[i]);
}

QUANTBENCH_CLONES
void add_scaled(const float* x, const float* a, int64_t count, float* u) {
  for (int64_t i = 0; i < count; ++i) u[i] = std::fma(a[i], x[i], u[i]);
}

QUANTBENCH_CLONES
void round_to(const float* u, float low, float high, int64_t count, int32_t* n) {
  const float zero = std::min(std::max(0.0f, low), high);
  for (int64_t i = 0; i < count; ++i) {
    const float q = std::nearbyint(u[i]);
    const float held = q < low ? low : q > high ? high : q;
    n[i] = static_cast<int32_t>(held == held ? held : zero);
  }
}

QUANTBENCH_CLONES
void multiply(const float* x, int64_t rows, const float* w, int64_t columns, int64_t length,
              float* out) {
  for (int64_t r = 0; r < rows; ++r) {
    float* sums = out + r * columns;
    for (int64_t c = 0; c < columns; ++c) sums[c] = 0;
    for (int64_t i = 0; i < length; ++i) {
      const float value = x[r * length + i];
      const float* row = w + i * columns;
      for (int64_t c = 0; c < columns; ++c) sums[c] = std::fma(row[c], value, sums[c]);
    }
  }
}

QUANTBENCH_CLONES
int32_t dot_signs(const int32_t* x, const int32_t* sign, int64_t length) {
  int32_t sum = 0;
  for (int64_t i = 0; i < length; ++i) sum += x[i] * sign[i];
  return sum;
}

}  // namespace quantbench
