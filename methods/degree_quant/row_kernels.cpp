#include "methods/degree_quant/row_kernels.h"

#include <algorithm>
#include <cmath>

#include "base/vector_units.h"

namespace quantbench::kernels {
namespace {

// Calls body(first, count) for every stretch of elements that count.
template <typename Body>
void for_counting_rows(const RowBlock& b, const Body& body) {
  if (!b.keep) return body(0, b.rows * b.width);
  for (int64_t row = 0; row < b.rows;) {
    const uint8_t* const end = b.keep + b.rows;
    const int64_t first = std::find(b.keep + row, end, 0) - b.keep;
    row = std::find_if(b.keep + first, end, [](uint8_t k) { return k != 0; }) - b.keep;
    if (row > first) body(first * b.width, (row - first) * b.width);
  }
}

// {below, above} of at most 2^30 elements.
QUANTBENCH_CLONES
std::pair<int32_t, int32_t> beyond(const float* x, int64_t n, float low, float high) {
  int32_t below = 0, above = 0;
  for (int64_t i = 0; i < n; ++i) {
    below += x[i] < low;
    above += x[i] > high;
  }
  return {below, above};
}

}  // namespace

Beyond count_beyond(RowBlock block, float low, float high) {
  Beyond out;
  for_counting_rows(block, [&](int64_t first, int64_t count) {
    const auto [below, above] = beyond(block.x + first, count, low, high);
    out.total += count;
    out.below += below;
    out.above += above;
  });
  return out;
}

Extremes row_extremes(RowBlock block) {
  Extremes out;
  for_counting_rows(block, [&](int64_t first, int64_t count) {
    const Extremes found = extremes(block.x + first, count, {});
    out.low = std::min(out.low, found.low);
    out.high = std::max(out.high, found.high);
  });
  return out;
}

QUANTBENCH_CLONES
void quantize_rows(RowBlock block, float* __restrict y, uint8_t* __restrict open, Grid grid) {
  const float* __restrict x = block.x;
  const int64_t n = block.rows * block.width;
  for (int64_t i = 0; i < n; ++i) {
    const float code = std::nearbyint(x[i] * grid.inverse) + grid.offset;
    float clamped = code < grid.low ? grid.low : code;
    clamped = clamped > grid.high ? grid.high : clamped;
    y[i] = (clamped - grid.zero_point) * grid.scale;
    if (open) open[i] = static_cast<uint8_t>((code > grid.low) & (code < grid.high));
  }
  if (!block.keep) return;
  // The block is still in the cache.
  for (int64_t row = 0; row < block.rows; ++row) {
    if (!block.keep[row]) continue;
    std::copy_n(x + row * block.width, block.width, y + row * block.width);
    if (open) std::fill_n(open + row * block.width, block.width, uint8_t{1});
  }
}

QUANTBENCH_CLONES
void gate(const float* __restrict gradient, const uint8_t* __restrict open, float* __restrict dx,
          int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = open[i] ? gradient[i] : 0.0f;
}

}  // namespace quantbench::kernels
