// AVX-512 with VNNI, emulated: SIMDe's intrinsics under their own names, and the few that it lacks.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace emulated {

// Each of the `count` numbers of `x` through `f`.
template <typename To, typename OutNumber, typename InNumber, int count, typename From, typename F>
To each(From x, F f) {
  InNumber in[count];
  OutNumber out[count];
  static_assert(sizeof(in) == sizeof(From) && sizeof(out) == sizeof(To));
  std::memcpy(in, &x, sizeof(in));
  for (int i = 0; i < count; ++i) out[i] = f(in[i]);
  To to;
  std::memcpy(&to, out, sizeof(to));
  return to;
}

}  // namespace emulated

inline __m512i _mm512_cvtepi16_epi32(__m256i x) {
  return emulated::each<__m512i, int32_t, int16_t, 16>(x, [](int16_t n) { return n; });
}
inline __m512i _mm512_cvtepu8_epi32(__m128i x) {
  return emulated::each<__m512i, int32_t, uint8_t, 16>(x, [](uint8_t n) { return n; });
}
inline __m256i _mm512_cvtepi32_epi16(__m512i x) {
  return emulated::each<__m256i, int16_t, int32_t, 16>(
      x, [](int32_t n) { return static_cast<int16_t>(n); });
}
inline __m128i _mm512_cvtepi32_epi8(__m512i x) {
  return emulated::each<__m128i, int8_t, int32_t, 16>(
      x, [](int32_t n) { return static_cast<int8_t>(n); });
}
inline __m512i _mm512_srai_epi32(__m512i x, unsigned count) {
  return emulated::each<__m512i, int32_t, int32_t, 16>(x, [&](int32_t n) { return n >> count; });
}
inline __m512 _mm512_cvtepi32_ps(__m512i x) {
  return emulated::each<__m512, float, int32_t, 16>(
      x, [](int32_t n) { return static_cast<float>(n); });
}
inline __m512i _mm512_cvtps_epi32(__m512 x) {
  return emulated::each<__m512i, int32_t, float, 16>(
      x, [](float n) { return static_cast<int32_t>(std::nearbyint(n)); });
}
// SIMDe adds the product after rounding it where the machine has no fused instruction.
inline __m512 fused_multiply_add(__m512 a, __m512 b, __m512 c) {
  float x[16], y[16], z[16];
  std::memcpy(x, &a, sizeof(x));
  std::memcpy(y, &b, sizeof(y));
  std::memcpy(z, &c, sizeof(z));
  for (int i = 0; i < 16; ++i) z[i] = std::fma(x[i], y[i], z[i]);
  std::memcpy(&c, z, sizeof(z));
  return c;
}
#undef _mm512_fmadd_ps
#define _mm512_fmadd_ps fused_multiply_add
