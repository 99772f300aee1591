// Kernels for AVX2 with FMA. Integers are multiplied as pairs of 16 bits (vpmaddwd): the bytes'
// vpmaddubsw saturates.
#include <immintrin.h>

#include "base/vector_units.h"
#include "runtime/engine/kernels.h"

namespace quantbench::engine {
namespace {

constexpr char kName[] = "avx2";
constexpr int kLanes = 8, kTilePixels = 6, kSinglePixels = 6, kTileBlocks = 2;
constexpr bool kHasBytes = false;

using Ints = __m256i;
using Floats = __m256;

QUANTBENCH_INLINE Ints load(const int32_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
QUANTBENCH_INLINE Floats load(const float* at) { return _mm256_loadu_ps(at); }
QUANTBENCH_INLINE void store(int32_t* to, Ints x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x);
}
QUANTBENCH_INLINE void store(float* to, Floats x) { _mm256_storeu_ps(to, x); }
QUANTBENCH_INLINE Ints load_weights(const char* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
QUANTBENCH_INLINE Ints load_cells(const int16_t* at) {
  return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}
QUANTBENCH_INLINE Ints load_cells(const uint8_t* at) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
}
QUANTBENCH_INLINE __m128i halve(Ints x) {
  return _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}
QUANTBENCH_INLINE void store_cells(int16_t* to, Ints n) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), halve(n));
}
QUANTBENCH_INLINE void store_cells(uint8_t* to, Ints n) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(halve(n), halve(n)));
}
// Four vectors of shorts, one after the other; numbers saturate.
struct Cells {
  __m256i low, high;
};
QUANTBENCH_INLINE Cells broadcast_cell(int32_t x) {
  const __m256i cell = _mm256_set1_epi16(static_cast<int16_t>(x));
  return {cell, cell};
}
QUANTBENCH_INLINE Cells broadcast_shift(int32_t x) { return broadcast_cell(x); }
QUANTBENCH_INLINE Cells hold(Cells x, Cells low, Cells high) {
  return {_mm256_min_epi16(_mm256_max_epi16(x.low, low.low), high.low),
          _mm256_min_epi16(_mm256_max_epi16(x.high, low.high), high.high)};
}
QUANTBENCH_INLINE __m256i pack(Ints a, Ints b) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
}
QUANTBENCH_INLINE Cells pack(Ints a, Ints b, Ints c, Ints d, const Cells&) {
  return {pack(a, b), pack(c, d)};  // shorts have no shift
}
// Vectors first .. first + count - 1 of the four.
template <int first, int count>
QUANTBENCH_INLINE void store_cells(char* to, Cells cells) {
  const __m256i two = first < 2 ? cells.low : cells.high;
  if constexpr (count == 2)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), two);
  else
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_extracti128_si256(two, first % 2));
}
QUANTBENCH_INLINE Ints broadcast_integer(int32_t x) { return _mm256_set1_epi32(x); }
QUANTBENCH_INLINE Floats broadcast(float x) { return _mm256_set1_ps(x); }
QUANTBENCH_INLINE Ints broadcast_unit(const char* at) {
  int32_t unit;
  __builtin_memcpy(&unit, at, sizeof(unit));
  return _mm256_set1_epi32(unit);
}
QUANTBENCH_INLINE Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
QUANTBENCH_INLINE Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
QUANTBENCH_INLINE Ints multiply(Ints a, Ints b) { return _mm256_mullo_epi32(a, b); }
QUANTBENCH_INLINE Ints greatest(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
QUANTBENCH_INLINE Floats greatest(Floats a, Floats b) { return _mm256_max_ps(a, b); }
QUANTBENCH_INLINE Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
QUANTBENCH_INLINE Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
QUANTBENCH_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
  return _mm256_fmadd_ps(a, b, c);
}
// The second operand of min and max is what comes out when one is no number.
QUANTBENCH_INLINE Floats hold(Floats x, Floats low, Floats high) {
  return _mm256_min_ps(high, _mm256_max_ps(low, x));
}
QUANTBENCH_INLINE Floats number_or_zero(Floats x) {
  return _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q));
}
// Bit i: lane i is not zero.
QUANTBENCH_INLINE uint32_t nonzeros(Floats x) {
  return static_cast<uint32_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ)));
}
QUANTBENCH_INLINE Floats to_float(Ints x) { return _mm256_cvtepi32_ps(x); }
QUANTBENCH_INLINE Floats to_float(Floats x) { return x; }
QUANTBENCH_INLINE Ints round(Floats x) { return _mm256_cvtps_epi32(x); }
QUANTBENCH_INLINE Ints dot_shorts(Ints sum, Ints x, Ints w) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
}
QUANTBENCH_INLINE Ints dot_bytes(Ints sum, Ints, Ints) { return sum; }
// Weights of four bits: those of dot product k of a vector.
constexpr int kNibbleDots = 4, kNibbleShift = 0;
template <int k>
QUANTBENCH_INLINE Ints nibbles(Ints packed) {
  return _mm256_srai_epi16(_mm256_slli_epi16(packed, 4 * k), 12);
}
QUANTBENCH_INLINE Ints shift_nibble_sum(Ints x) { return x; }
QUANTBENCH_INLINE void keep(Ints& x) { __asm__ volatile("" : "+x"(x)); }
QUANTBENCH_INLINE void keep(Floats& x) { __asm__ volatile("" : "+x"(x)); }
QUANTBENCH_INLINE void pin(Ints& x) { __asm__("" : "+x"(x)); }
QUANTBENCH_INLINE void pin(Floats& x) { __asm__("" : "+x"(x)); }

#include "runtime/engine/kernel_body.h"

}  // namespace

const KernelTable& avx2_kernels() { return kTable; }

}  // namespace quantbench::engine
