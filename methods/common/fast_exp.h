// Exponential and logarithm for loops that gcc turns into vector code: no branches, no tables, no
// calls. For sources of kernels.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/vector_units.h"

namespace quantbench::kernels {

// e^x for |x| <= 87, with a relative error below 2e-7. NaN stays NaN.
QUANTBENCH_INLINE float fast_exp(float x) {
  // Adding this float leaves the nearest integer in the low bits of the sum.
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23
  const float rounded = x * 1.44269504f + kRounder;
  const float power = rounded - kRounder;
  // ln 2 in two parts, so that the product with the first one is exact.
  const float f = (x - power * 0.693359375f) + power * 2.12194440e-4f;
  float p = 1.0f / 720;
  p = p * f + 1.0f / 120;
  p = p * f + 1.0f / 24;
  p = p * f + 1.0f / 6;
  p = p * f + 0.5f;
  p = p * f + 1.0f;
  p = p * f + 1.0f;
  const uint32_t scale = (__builtin_bit_cast(uint32_t, rounded) << 23) + 0x3f800000u;
  return p * __builtin_bit_cast(float, scale);
}

// log x for normal x > 0, with a relative error below 4e-7.
QUANTBENCH_INLINE float fast_log(float x) {
  // x = 2^power * m with m in [sqrt(1/2), sqrt(2)).
  constexpr uint32_t kRootHalf = 0x3f3504f3u;
  const uint32_t bits = __builtin_bit_cast(uint32_t, x) - kRootHalf;
  const auto power = static_cast<float>(static_cast<int32_t>(bits) >> 23);
  const float m = __builtin_bit_cast(float, (bits & 0x007fffffu) + kRootHalf);
  // log m = 2 artanh(s).
  const float s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
  float p = 2.0f / 9;
  p = p * s2 + 2.0f / 7;
  p = p * s2 + 2.0f / 5;
  p = p * s2 + 2.0f / 3;
  p = p * s2 + 2.0f;
  return (s * p - power * 2.12194440e-4f) + power * 0.693359375f;
}

// Double precision is there to be compared with, not to be fast.
QUANTBENCH_INLINE double fast_exp(double x) { return std::exp(x); }
QUANTBENCH_INLINE double fast_log(double x) { return std::log(x); }

}  // namespace quantbench::kernels
