#include "methods/alq/solve.h"

#include <algorithm>
#include <cmath>

namespace quantbench::alq {
namespace {

// A pivot below this share of the trace is a base that the others already span.
constexpr double kLeastPivot = 1e-9;

}  // namespace

void levels_of(const float* coordinates, int bases, float* levels) {
  levels[0] = 0;
  for (int i = 0; i < bases; ++i) {
    const int half = 1 << i;
    for (int p = 0; p < half; ++p) {
      levels[half + p] = levels[p] + coordinates[i];
      levels[p] = levels[p] - coordinates[i];
    }
  }
}

SortedLevels::SortedLevels(const float* coordinates, int bases) : count(1 << bases) {
  level[0] = 0;
  pattern[0] = 0;
  float from[kMostLevels];
  uint8_t code[kMostLevels];
  for (int i = 0; i < bases; ++i) {
    // Both the levels with base i at -1 and those with it at +1 are in order: merge them.
    const int half = 1 << i;
    std::copy_n(level, half, from);
    std::copy_n(pattern, half, code);
    const float a = coordinates[i];
    const float low = a < 0 ? a : -a, high = -low;
    const auto low_bit = static_cast<uint8_t>(a < 0 ? half : 0);
    const auto high_bit = static_cast<uint8_t>(a < 0 ? 0 : half);
    for (int out = 0, lower = 0, upper = 0; out < 2 * half; ++out) {
      const bool take_lower =
          upper == half || (lower < half && from[lower] + low <= from[upper] + high);
      level[out] = take_lower ? from[lower] + low : from[upper] + high;
      pattern[out] =
          static_cast<uint8_t>(take_lower ? code[lower] | low_bit : code[upper] | high_bit);
      ++(take_lower ? lower : upper);
    }
  }
  for (int i = 0; i + 1 < count; ++i)
    middle[i] = 0.5 * (static_cast<double>(level[i]) + static_cast<double>(level[i + 1]));
}

uint8_t SortedLevels::nearest(double target) const {
  int at = 0;
  for (int step = count / 2; step > 0; step /= 2) at += target > middle[at + step - 1] ? step : 0;
  return pattern[at];
}

PatternSums::PatternSums(int bases) {
  const int count = 1 << bases;
  std::fill_n(weight, count, 0.0);
  std::fill_n(target, count, 0.0);
  std::fill_n(present, count, false);
}

Fit least_squares(const PatternSums& sums, int bases) {
  Fit out;
  const int count = 1 << bases;
  // sum_p (product of the signs of bases i and k in p) * x_p is the Walsh-Hadamard transform of x
  // at the index with bits i and k set.
  double gram[kMostLevels], right[kMostLevels];
  std::copy_n(sums.weight, count, gram);
  std::copy_n(sums.target, count, right);
  for (int half = 1; half < count; half *= 2)
    for (int block = 0; block < count; block += 2 * half)
      for (int p = block; p < block + half; ++p) {
        const double g = gram[p], r = right[p];
        gram[p] = g + gram[p + half];
        gram[p + half] = gram[p + half] - g;
        right[p] = r + right[p + half];
        right[p + half] = right[p + half] - r;
      }
  // Cholesky's factor of the Gram matrix, row by row.
  double factor[kMostBases][kMostBases];
  for (int i = 0; i < bases; ++i) {
    for (int k = 0; k <= i; ++k) {
      double sum = i == k ? gram[0] : gram[(1 << i) | (1 << k)];
      for (int l = 0; l < k; ++l) sum -= factor[i][l] * factor[k][l];
      if (i != k) {
        factor[i][k] = sum / factor[k][k];
        continue;
      }
      if (!(sum > kLeastPivot * gram[0]) || !std::isfinite(sum)) return out;
      factor[i][i] = std::sqrt(sum);
    }
  }
  for (int i = 0; i < bases; ++i) {
    double sum = right[1 << i];
    for (int l = 0; l < i; ++l) sum -= factor[i][l] * out.coordinates[l];
    out.coordinates[i] = sum / factor[i][i];
  }
  for (int i = bases - 1; i >= 0; --i) {
    double sum = out.coordinates[i];
    for (int l = i + 1; l < bases; ++l) sum -= factor[l][i] * out.coordinates[l];
    out.coordinates[i] = sum / factor[i][i];
    if (!std::isfinite(out.coordinates[i])) return out;
  }
  out.solved = true;
  return out;
}

Twins find_twins(const PatternSums& sums, int bases) {
  // For each base: the bits of others that somewhere differ from it, and that somewhere agree.
  unsigned differs[kMostBases] = {}, agrees[kMostBases] = {};
  for (int p = 0; p < (1 << bases); ++p) {
    if (!sums.present[p]) continue;
    for (int i = 0; i < bases; ++i) {
      const unsigned same = (p >> i) & 1 ? static_cast<unsigned>(p) : ~static_cast<unsigned>(p);
      agrees[i] |= same;
      differs[i] |= ~same;
    }
  }
  for (int i = 0; i < bases; ++i)
    for (int k = i + 1; k < bases; ++k) {
      if (((differs[i] >> k) & 1) == 0) return {i, k, false};
      if (((agrees[i] >> k) & 1) == 0) return {i, k, true};
    }
  return {};
}

}  // namespace quantbench::alq
