// Part of avx512.cpp and avx512_bits.cpp, inside their unnamed namespaces: vectors of 512 bits.

using Ints = __m512i;
using Floats = __m512;

QUANTBENCH_INLINE Ints load(const int32_t* at) { return _mm512_loadu_si512(at); }
QUANTBENCH_INLINE Floats load(const float* at) { return _mm512_loadu_ps(at); }
QUANTBENCH_INLINE void store(int32_t* to, Ints x) { _mm512_storeu_si512(to, x); }
QUANTBENCH_INLINE void store(float* to, Floats x) { _mm512_storeu_ps(to, x); }
QUANTBENCH_INLINE Ints load_weights(const char* at) { return _mm512_loadu_si512(at); }
QUANTBENCH_INLINE Ints load_cells(const int16_t* at) {
  return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}
QUANTBENCH_INLINE Ints load_cells(const uint8_t* at) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}
QUANTBENCH_INLINE void store_cells(int16_t* to, Ints n) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(n));
}
QUANTBENCH_INLINE void store_cells(uint8_t* to, Ints n) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(n));
}
// Four vectors of bytes, one after the other; numbers saturate, then the shift is added to them.
using Cells = __m512i;
QUANTBENCH_INLINE Cells broadcast_cell(int32_t x) { return _mm512_set1_epi8(static_cast<char>(x)); }
QUANTBENCH_INLINE Cells broadcast_shift(int32_t x) {
  return _mm512_set1_epi16(static_cast<int16_t>(x));
}
QUANTBENCH_INLINE Cells hold(Cells x, Cells low, Cells high) {
  return _mm512_min_epu8(_mm512_max_epu8(x, low), high);
}
QUANTBENCH_INLINE Cells pack(Ints a, Ints b, Ints c, Ints d, Cells shift) {
  const __m512i mixed = _mm512_packus_epi16(_mm512_adds_epi16(_mm512_packs_epi32(a, b), shift),
                                            _mm512_adds_epi16(_mm512_packs_epi32(c, d), shift));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, mixed);
}
// Vectors first .. first + count - 1 of the four.
template <int first, int count>
QUANTBENCH_INLINE void store_cells(char* to, Cells cells) {
  if constexpr (count == 1)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_extracti32x4_epi32(cells, first));
  else
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm512_extracti64x4_epi64(cells, first / 2));
}
QUANTBENCH_INLINE Ints broadcast_integer(int32_t x) { return _mm512_set1_epi32(x); }
QUANTBENCH_INLINE Floats broadcast(float x) { return _mm512_set1_ps(x); }
QUANTBENCH_INLINE Ints broadcast_unit(const char* at) {
  int32_t unit;
  __builtin_memcpy(&unit, at, sizeof(unit));
  return _mm512_set1_epi32(unit);
}
QUANTBENCH_INLINE Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
QUANTBENCH_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
QUANTBENCH_INLINE Ints multiply(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
QUANTBENCH_INLINE Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
QUANTBENCH_INLINE Ints greatest(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
QUANTBENCH_INLINE Floats greatest(Floats a, Floats b) { return _mm512_max_ps(a, b); }
QUANTBENCH_INLINE Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
QUANTBENCH_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
// The second operand of min and max is what comes out when one is no number.
QUANTBENCH_INLINE Floats hold(Floats x, Floats low, Floats high) {
  return _mm512_min_ps(high, _mm512_max_ps(low, x));
}
QUANTBENCH_INLINE Floats number_or_zero(Floats x) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x);
}
// Bit i: lane i is not zero.
QUANTBENCH_INLINE uint32_t nonzeros(Floats x) {
  return _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}
QUANTBENCH_INLINE Floats to_float(Ints x) { return _mm512_cvtepi32_ps(x); }
QUANTBENCH_INLINE Floats to_float(Floats x) { return x; }
QUANTBENCH_INLINE Ints round(Floats x) { return _mm512_cvtps_epi32(x); }
QUANTBENCH_INLINE Ints dot_shorts(Ints sum, Ints x, Ints w) {
  return _mm512_dpwssd_epi32(sum, x, w);
}
QUANTBENCH_INLINE Ints dot_bytes(Ints sum, Ints x, Ints w) {
  return _mm512_dpbusd_epi32(sum, x, w);
}
// Weights of four bits: those of dot product k of a vector, 16 times as large.
constexpr int kNibbleDots = 2, kNibbleShift = 4;
template <int k>
QUANTBENCH_INLINE Ints nibbles(Ints packed) {
  const __m512i high = _mm512_set1_epi8(static_cast<char>(0xf0));
  return _mm512_and_si512(k == 0 ? packed : _mm512_slli_epi16(packed, 4), high);
}
QUANTBENCH_INLINE Ints shift_nibble_sum(Ints x) { return _mm512_srai_epi32(x, kNibbleShift); }
#ifdef QUANTBENCH_EMULATE
QUANTBENCH_INLINE void keep(Ints&) {}
QUANTBENCH_INLINE void keep(Floats&) {}
QUANTBENCH_INLINE void pin(Ints&) {}
QUANTBENCH_INLINE void pin(Floats&) {}
#else
QUANTBENCH_INLINE void keep(Ints& x) { __asm__ volatile("" : "+v"(x)); }
QUANTBENCH_INLINE void keep(Floats& x) { __asm__ volatile("" : "+v"(x)); }
QUANTBENCH_INLINE void pin(Ints& x) { __asm__("" : "+v"(x)); }
QUANTBENCH_INLINE void pin(Floats& x) { __asm__("" : "+v"(x)); }
#endif
