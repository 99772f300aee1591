#include "methods/hgq/kernels.h"

#include <algorithm>
#include <cmath>

#include "base/vector_units.h"

namespace quantbench::hgq::kernels {
namespace {

constexpr int64_t kColumnsAtOnce = 512;  // whose sums stay in the first-level cache

// The comparisons are written so that NaN passes through.
QUANTBENCH_INLINE float rectified(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// Not floor(v + 1/2): that sum rounds, and 0.49999997 would become 1.
QUANTBENCH_INLINE float rounded(float v, float from) {
  const float below = std::floor(v);
  return below + (v - below >= from ? 1.0f : 0.0f);
}

struct Limits {
  float low, high, up_from;  // up_from: the fraction from which on a number is rounded up
};

QUANTBENCH_INLINE Limits limits_of(const Rule& rule) {
  return {rule.relu ? 0.0f : -INFINITY, rule.relu ? rule.limit : INFINITY,
          rule.offset > 0 ? 0.5f : 2.0f};
}

}  // namespace

QUANTBENCH_CLONES
void quantize(const float* __restrict x, float* __restrict y, Rows rows, Columns columns, Rule rule,
              float* __restrict low, float* __restrict high) {
  const Limits limits = limits_of(rule);
  for (int64_t row = 0; row < rows.count; ++row) {
    const float* from = x + row * rows.length;
    float* to = y + row * rows.length;
    for (int64_t i = 0; i < rows.length; ++i) {
      const float v = rectified(from[i], limits.low, limits.high) * columns.inverse[i];
      to[i] = rounded(v, limits.up_from) * columns.step[i];
    }
    if (low == nullptr) continue;
    for (int64_t i = 0; i < rows.length; ++i) {
      low[i] = to[i] < low[i] ? to[i] : low[i];
      high[i] = to[i] > high[i] ? to[i] : high[i];
    }
  }
}

QUANTBENCH_CLONES
void backward(const float* __restrict x, const float* __restrict gradient, float* __restrict dx,
              Rows rows, Columns columns, Rule rule, double* __restrict error) {
  const Limits limits = limits_of(rule);
  for (int64_t begin = 0; begin < rows.length; begin += kColumnsAtOnce) {
    const int64_t count = std::min(kColumnsAtOnce, rows.length - begin);
    const float* step = columns.step + begin;
    const float* inverse = columns.inverse + begin;
    for (int64_t row = 0; row < rows.count; ++row) {
      const int64_t first = row * rows.length + begin;
      for (int64_t i = 0; i < count; ++i) {
        const float r = rectified(x[first + i], limits.low, limits.high);
        const float y = rounded(r * inverse[i], limits.up_from) * step[i];
        const bool passes = (!rule.relu) | ((y > 0.0f) & (x[first + i] < limits.high));
        const float g = passes ? gradient[first + i] : 0.0f;
        if (dx != nullptr) dx[first + i] = g;
        error[begin + i] += static_cast<double>(g * (r - y));
      }
    }
  }
}

}  // namespace quantbench::hgq::kernels
