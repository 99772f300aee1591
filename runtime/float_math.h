// exp() as packages define it: one polynomial in one order, so that it is the same float
// everywhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace quantbench {

// exp(x) for x <= 0, float32, within 1 unit in the last place; 0 below -87, NaN for NaN.
//   k = rint(x * log2(e));  r = fma(-k, ln2_high, x);  r = fma(-k, ln2_low, r)
//   p = c6; for c5, c4, ..., c0: p = fma(p, r, c)           result p * 2^k
inline float plan_exp(float x) {
  if (!(x >= -87.0f)) return x != x ? x : 0.0f;
  const float k = std::nearbyint(x * 0x1.715476p+0f);
  float r = std::fma(-k, 0x1.62e4p-1f, x);
  r = std::fma(-k, 0x1.7f7d1cp-20f, r);
  float p = 0x1.6c16c2p-10f;  // 1/720
  p = std::fma(p, r, 0x1.111112p-7f);
  p = std::fma(p, r, 0x1.555556p-5f);
  p = std::fma(p, r, 0x1.555556p-3f);
  p = std::fma(p, r, 0.5f);
  p = std::fma(p, r, 1.0f);
  p = std::fma(p, r, 1.0f);
  const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(k) + 127) << 23;
  float power = 0;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

}  // namespace quantbench
