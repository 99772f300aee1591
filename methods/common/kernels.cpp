#include "methods/common/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/vector_units.h"

namespace quantbench::kernels {
namespace {

constexpr int64_t kTile = 1024;  // floats; stays in the first-level cache
constexpr int kLanes = 16;

// The comparisons are written so that NaN passes through.
QUANTBENCH_INLINE float rectified(float x, Rectifier r) {
  x = x < r.low ? r.low : x;
  return x > r.high ? r.high : x;
}

QUANTBENCH_INLINE bool passes(float x, Rectifier r) { return !(x <= r.low) & !(x >= r.high); }

// step*code - zero_point of v = x/scale.
QUANTBENCH_INLINE float integer(float v, const Grid& g) {
  float code = std::nearbyint((v + g.shift) * g.factor) + g.offset;
  code = code < g.low ? g.low : code;
  code = code > g.high ? g.high : code;
  return code * g.step - g.zero_point;
}

// Lane by lane, so that every vector width adds in the same order.
QUANTBENCH_INLINE void add_tile(const float* tile, double* lanes) {
  for (int64_t i = 0; i < kTile; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(tile[i + lane]);
}

QUANTBENCH_INLINE double total(const double* lanes) {
  double sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

// Calls body(i) for each i of a run and returns the sum of what it gives.
template <typename Body>
QUANTBENCH_INLINE double summed(int64_t n, Body body) {
  double lanes[kLanes] = {};
  float tile[kTile];
  for (int64_t begin = 0; begin < n; begin += kTile) {
    const int64_t count = std::min(kTile, n - begin);
    for (int64_t i = 0; i < count; ++i) tile[i] = body(begin + i);
    for (int64_t i = count; i < kTile; ++i) tile[i] = 0;
    add_tile(tile, lanes);
  }
  return total(lanes);
}

}  // namespace

QUANTBENCH_CLONES
void widen(const uint16_t* __restrict from, float* __restrict to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = static_cast<uint32_t>(from[i]) << 16;
    std::memcpy(to + i, &bits, sizeof(bits));
  }
}

QUANTBENCH_CLONES
void narrow(const float* __restrict from, uint16_t* __restrict to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits;
    std::memcpy(&bits, from + i, sizeof(bits));
    const uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    to[i] = static_cast<uint16_t>(nan ? 0x7fc0 : rounded >> 16);
  }
}

QUANTBENCH_CLONES
void quantize(const float* __restrict x, float* __restrict y, int64_t n, Grid grid,
              Rectifier rectifier) {
  for (int64_t i = 0; i < n; ++i)
    y[i] = integer(rectified(x[i], rectifier) * grid.inverse, grid) * grid.scale;
}

QUANTBENCH_CLONES
Extremes extremes(const float* x, int64_t n, Rectifier rectifier) {
  // Enough lanes that one comparison need not wait for the last.
  constexpr int kWide = 4 * kLanes;
  float low[kWide], high[kWide];
  const Extremes none;
  std::fill_n(low, kWide, none.low);
  std::fill_n(high, kWide, none.high);
  const int64_t whole = n - n % kWide;
  for (int64_t i = 0; i < whole; i += kWide)
    for (int lane = 0; lane < kWide; ++lane) {
      low[lane] = x[i + lane] < low[lane] ? x[i + lane] : low[lane];
      high[lane] = x[i + lane] > high[lane] ? x[i + lane] : high[lane];
    }
  for (int64_t i = whole; i < n; ++i) {
    low[0] = x[i] < low[0] ? x[i] : low[0];
    high[0] = x[i] > high[0] ? x[i] : high[0];
  }
  const Extremes found{*std::min_element(low, low + kWide), *std::max_element(high, high + kWide)};
  return {rectified(found.low, rectifier), rectified(found.high, rectifier)};
}

QUANTBENCH_CLONES
void straight_backward(const float* __restrict x, const float* __restrict gradient,
                       float* __restrict dx, int64_t n, float inverse, float edge_low,
                       float edge_high, Rectifier rectifier) {
  for (int64_t i = 0; i < n; ++i) {
    const float v = rectified(x[i], rectifier) * inverse;
    const float g = gradient[i];
    dx[i] = ((v >= edge_low) & (v <= edge_high) & passes(x[i], rectifier)) ? g : 0.0f;
  }
}

QUANTBENCH_CLONES
double learned_step_backward(const float* __restrict x, const float* __restrict gradient,
                             float* __restrict dx, int64_t n, Grid grid, Rectifier rectifier) {
  const float lowest = grid.step * grid.low - grid.zero_point;
  const float highest = grid.step * grid.high - grid.zero_point;
  return summed(n, [=](int64_t i) {
    const float v = rectified(x[i], rectifier) * grid.inverse;
    const float g = gradient[i];
    const bool inside = (v > lowest) & (v < highest);
    dx[i] = (inside & passes(x[i], rectifier)) ? g : 0.0f;
    return g * (integer(v, grid) - (inside ? v : 0.0f));
  });
}

QUANTBENCH_CLONES
double pact_backward(const float* __restrict x, const float* __restrict gradient,
                     float* __restrict dx, int64_t n, float alpha, Rectifier rectifier) {
  return summed(n, [=](int64_t i) {
    const float r = rectified(x[i], rectifier);
    const float g = gradient[i];
    dx[i] = ((r > 0.0f) & (r < alpha) & passes(x[i], rectifier)) ? g : 0.0f;
    return r >= alpha ? g : 0.0f;
  });
}

}  // namespace quantbench::kernels
