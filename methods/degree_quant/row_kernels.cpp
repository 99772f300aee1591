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

// Few elements are wanted: look at a chunk at once first.
QUANTBENCH_CLONES
int64_t collect(const float* x, int64_t n, float bound, float sign, float* out) {
  constexpr int64_t kChunk = 64;
  const float limit = sign * bound;
  int64_t found = 0;
  for (int64_t first = 0; first < n; first += kChunk) {
    const int64_t end = std::min(first + kChunk, n);
    int32_t hits = 0;
    for (int64_t i = first; i < end; ++i) hits += sign * x[i] < limit;
    if (hits == 0) continue;
    for (int64_t i = first; i < end; ++i)
      if (sign * x[i] < limit) out[found++] = x[i];
  }
  return found;
}

}  // namespace

int64_t collect_beyond(RowBlock block, float bound, bool above, float* out) {
  int64_t found = 0;
  for_counting_rows(block, [&](int64_t first, int64_t count) {
    found += collect(block.x + first, count, bound, above ? -1.0f : 1.0f, out + found);
  });
  return found;
}

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
Beyond quantize_rows(RowBlock block, float* __restrict y, uint8_t* __restrict open, Grid grid,
                     float low, float high) {
  const float* __restrict x = block.x;
  const int64_t n = block.rows * block.width;
  int32_t below = 0, above = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float code = std::nearbyint(x[i] * grid.inverse) + grid.offset;
    float clamped = code < grid.low ? grid.low : code;
    clamped = clamped > grid.high ? grid.high : clamped;
    y[i] = (clamped - grid.zero_point) * grid.scale;
    if (open) open[i] = static_cast<uint8_t>((code > grid.low) & (code < grid.high));
    below += x[i] < low;
    above += x[i] > high;
  }
  Beyond out{n, below, above};
  if (!block.keep) return out;
  // The block is still in the cache.
  for (int64_t row = 0; row < block.rows; ++row) {
    if (!block.keep[row]) continue;
    const int64_t first = row * block.width;
    const auto [kept_below, kept_above] = beyond(x + first, block.width, low, high);
    out.total -= block.width;
    out.below -= kept_below;
    out.above -= kept_above;
    std::copy_n(x + first, block.width, y + first);
    if (open) std::fill_n(open + first, block.width, uint8_t{1});
  }
  return out;
}

QUANTBENCH_CLONES
void gate(const float* __restrict gradient, const uint8_t* __restrict open, float* __restrict dx,
          int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = open[i] ? gradient[i] : 0.0f;
}

QUANTBENCH_CLONES
void gate_in_place(float* __restrict gradient, const uint8_t* __restrict open, int64_t n) {
  for (int64_t i = 0; i < n; ++i) gradient[i] = open[i] ? gradient[i] : 0.0f;
}

}  // namespace quantbench::kernels
