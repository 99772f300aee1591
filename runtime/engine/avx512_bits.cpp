// Products by counting bits, for AVX-512 with VPOPCNTDQ.
#include <immintrin.h>

#include "base/vector_units.h"
#include "runtime/engine/bits.h"

namespace quantbench::engine {
namespace {

constexpr int kLanes = 16;
constexpr bool kHasBytes = true;

#include "runtime/engine/avx512_vectors.h"

QUANTBENCH_INLINE Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
QUANTBENCH_INLINE Ints different_bits(Ints a, Ints b) {
  return _mm512_popcnt_epi32(_mm512_xor_si512(a, b));
}
// Bit j of each of 32 bytes; fewer lie in memory that may be read on.
QUANTBENCH_INLINE uint32_t plane_of(const uint8_t* from, int64_t, int j) {
  return _mm256_test_epi8_mask(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)),
                               _mm256_set1_epi8(static_cast<char>(1 << j)));
}

// clang-format off
#include "runtime/engine/kernel_common.h"
#include "runtime/engine/kernel_cells.h"
#include "runtime/engine/kernel_finish.h"
#include "runtime/engine/kernel_tiles.h"
#include "runtime/engine/kernel_bits.h"
// clang-format on

constexpr BitKernels kBits{"avx512-vpopcntdq", kLanes, slice, convolve_bits};

}  // namespace

const BitKernels& avx512_bit_kernels() { return kBits; }

}  // namespace quantbench::engine
