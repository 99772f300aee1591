// Kernels in plain loops, for any machine. The functions before the body are all that an
// instruction set has to provide.
#include "base/vector_units.h"
#include "runtime/engine/bits.h"

namespace quantbench::engine {
namespace {

constexpr char kName[] = "portable";
constexpr int kLanes = 8, kTilePixels = 2, kSinglePixels = 2, kTileBlocks = 1;
constexpr bool kHasBytes = true;

struct Ints {
  int32_t at[kLanes];
};
struct Floats {
  float at[kLanes];
};

template <typename Vector, typename F>
QUANTBENCH_INLINE Vector each(const F& f) {
  Vector out;
  for (int i = 0; i < kLanes; ++i) out.at[i] = f(i);
  return out;
}

QUANTBENCH_INLINE Ints load(const int32_t* at) {
  return each<Ints>([&](int i) { return at[i]; });
}
QUANTBENCH_INLINE Floats load(const float* at) {
  return each<Floats>([&](int i) { return at[i]; });
}
QUANTBENCH_INLINE void store(int32_t* to, Ints x) {
  for (int i = 0; i < kLanes; ++i) to[i] = x.at[i];
}
QUANTBENCH_INLINE void store(float* to, Floats x) {
  for (int i = 0; i < kLanes; ++i) to[i] = x.at[i];
}
// One vector of weights: units of four bytes or two shorts, as they lie in memory.
QUANTBENCH_INLINE Ints load_weights(const char* at) {
  Ints out;
  __builtin_memcpy(&out, at, sizeof(out));
  return out;
}
QUANTBENCH_INLINE Ints load_cells(const int16_t* at) {
  return each<Ints>([&](int i) { return at[i]; });
}
QUANTBENCH_INLINE Ints load_cells(const uint8_t* at) {
  return each<Ints>([&](int i) { return at[i]; });
}
QUANTBENCH_INLINE void store_cells(int16_t* to, Ints n) {
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<int16_t>(n.at[i]);
}
QUANTBENCH_INLINE void store_cells(uint8_t* to, Ints n) {
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<uint8_t>(n.at[i]);
}
// Four vectors of bytes, one after the other; the shift is added to numbers before they saturate.
struct Cells {
  uint8_t at[4 * kLanes];
};
QUANTBENCH_INLINE Cells broadcast_cell(int32_t x) {
  Cells out;
  for (uint8_t& cell : out.at) cell = static_cast<uint8_t>(x);
  return out;
}
QUANTBENCH_INLINE int32_t broadcast_shift(int32_t x) { return x; }
QUANTBENCH_INLINE Cells hold(Cells x, const Cells& low, const Cells& high) {
  for (int i = 0; i < 4 * kLanes; ++i) {
    const uint8_t held = x.at[i] < low.at[i] ? low.at[i] : x.at[i];
    x.at[i] = held > high.at[i] ? high.at[i] : held;
  }
  return x;
}
// What leaves 32 bits wraps around, as in vector units: in lanes that hold no channel it may.
QUANTBENCH_INLINE int32_t wrapped_sum(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
QUANTBENCH_INLINE uint8_t saturated(int32_t x) {
  return static_cast<uint8_t>(x < 0 ? 0 : x > 255 ? 255 : x);
}
QUANTBENCH_INLINE Cells pack(Ints a, Ints b, Ints c, Ints d, int32_t shift) {
  Cells out;
  for (int i = 0; i < kLanes; ++i) {
    out.at[i] = saturated(wrapped_sum(a.at[i], shift));
    out.at[kLanes + i] = saturated(wrapped_sum(b.at[i], shift));
    out.at[2 * kLanes + i] = saturated(wrapped_sum(c.at[i], shift));
    out.at[3 * kLanes + i] = saturated(wrapped_sum(d.at[i], shift));
  }
  return out;
}
// Vectors first .. first + count - 1 of the four.
template <int first, int count>
QUANTBENCH_INLINE void store_cells(char* to, const Cells& cells) {
  __builtin_memcpy(to, cells.at + first * kLanes, count * kLanes);
}
QUANTBENCH_INLINE Ints broadcast_integer(int32_t x) {
  return each<Ints>([&](int) { return x; });
}
QUANTBENCH_INLINE Floats broadcast(float x) {
  return each<Floats>([&](int) { return x; });
}
// The unit of four bytes at `at`, for all lanes.
QUANTBENCH_INLINE Ints broadcast_unit(const char* at) {
  int32_t unit;
  __builtin_memcpy(&unit, at, sizeof(unit));
  return broadcast_integer(unit);
}
QUANTBENCH_INLINE Ints add(Ints a, Ints b) {
  return each<Ints>([&](int i) { return wrapped_sum(a.at[i], b.at[i]); });
}
QUANTBENCH_INLINE Floats add(Floats a, Floats b) {
  return each<Floats>([&](int i) { return a.at[i] + b.at[i]; });
}
QUANTBENCH_INLINE Ints multiply(Ints a, Ints b) {
  return each<Ints>([&](int i) {
    return static_cast<int32_t>(static_cast<uint32_t>(a.at[i]) * static_cast<uint32_t>(b.at[i]));
  });
}
QUANTBENCH_INLINE Floats multiply(Floats a, Floats b) {
  return each<Floats>([&](int i) { return a.at[i] * b.at[i]; });
}
QUANTBENCH_INLINE Ints greatest(Ints a, Ints b) {
  return each<Ints>([&](int i) { return a.at[i] > b.at[i] ? a.at[i] : b.at[i]; });
}
QUANTBENCH_INLINE Floats greatest(Floats a, Floats b) {
  return each<Floats>([&](int i) { return a.at[i] > b.at[i] ? a.at[i] : b.at[i]; });
}
QUANTBENCH_INLINE Floats divide(Floats a, Floats b) {
  return each<Floats>([&](int i) { return a.at[i] / b.at[i]; });
}
QUANTBENCH_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
  return each<Floats>([&](int i) { return __builtin_fmaf(a.at[i], b.at[i], c.at[i]); });
}
// x < low ? low : x > high ? high : x. What is no number stays none.
QUANTBENCH_INLINE Floats hold(Floats x, Floats low, Floats high) {
  return each<Floats>([&](int i) {
    const float x_i = x.at[i] < low.at[i] ? low.at[i] : x.at[i];
    return x_i > high.at[i] ? high.at[i] : x_i;
  });
}
QUANTBENCH_INLINE Floats number_or_zero(Floats x) {
  return each<Floats>([&](int i) { return x.at[i] == x.at[i] ? x.at[i] : 0.0f; });
}
// Bit i: lane i is not zero.
QUANTBENCH_INLINE uint32_t nonzeros(Floats x) {
  uint32_t set = 0;
  for (int i = 0; i < kLanes; ++i) set |= static_cast<uint32_t>(x.at[i] != 0) << i;
  return set;
}
QUANTBENCH_INLINE Floats to_float(Ints x) {
  return each<Floats>([&](int i) { return static_cast<float>(x.at[i]); });
}
QUANTBENCH_INLINE Floats to_float(Floats x) { return x; }
// To the nearest integer, half to even; |x| < 2^31.
QUANTBENCH_INLINE Ints round(Floats x) {
  return each<Ints>([&](int i) { return static_cast<int32_t>(__builtin_nearbyintf(x.at[i])); });
}
// sum + the dot product of each lane's two shorts; of its four bytes, x unsigned and w signed.
QUANTBENCH_INLINE Ints dot_shorts(Ints sum, Ints x, Ints w) {
  int16_t xs[2 * kLanes], ws[2 * kLanes];
  __builtin_memcpy(xs, &x, sizeof(xs));
  __builtin_memcpy(ws, &w, sizeof(ws));
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < 2; ++j) sum.at[i] = wrapped_sum(sum.at[i], xs[2 * i + j] * ws[2 * i + j]);
  return sum;
}
QUANTBENCH_INLINE Ints dot_bytes(Ints sum, Ints x, Ints w) {
  uint8_t xs[4 * kLanes];
  int8_t ws[4 * kLanes];
  __builtin_memcpy(xs, &x, sizeof(xs));
  __builtin_memcpy(ws, &w, sizeof(ws));
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < 4; ++j) sum.at[i] = wrapped_sum(sum.at[i], xs[4 * i + j] * ws[4 * i + j]);
  return sum;
}
// Weights of four bits: those of dot product k of a vector, 16 times as large.
constexpr int kNibbleDots = 2, kNibbleShift = 4;
template <int k>
QUANTBENCH_INLINE Ints nibbles(Ints packed) {
  uint8_t bytes[4 * kLanes];
  __builtin_memcpy(bytes, &packed, sizeof(bytes));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((byte << (4 * k)) & 0xf0);
  __builtin_memcpy(&packed, bytes, sizeof(bytes));
  return packed;
}
QUANTBENCH_INLINE Ints shift_nibble_sum(Ints x) {
  return each<Ints>([&](int i) { return x.at[i] >> kNibbleShift; });
}
// Keeps the compiler from computing x ahead of time.
QUANTBENCH_INLINE void keep(Ints& x) { __asm__ volatile("" : "+m"(x)); }
QUANTBENCH_INLINE void keep(Floats& x) { __asm__ volatile("" : "+m"(x)); }
// Keeps x in its register where there is one for it.
QUANTBENCH_INLINE void pin(Ints&) {}
QUANTBENCH_INLINE void pin(Floats&) {}

QUANTBENCH_INLINE Ints subtract(Ints a, Ints b) {
  return each<Ints>([&](int i) {
    return static_cast<int32_t>(static_cast<uint32_t>(a.at[i]) - static_cast<uint32_t>(b.at[i]));
  });
}
QUANTBENCH_INLINE Ints different_bits(Ints a, Ints b) {
  return each<Ints>(
      [&](int i) { return __builtin_popcount(static_cast<uint32_t>(a.at[i] ^ b.at[i])); });
}
QUANTBENCH_INLINE uint32_t plane_of(const uint8_t* from, int64_t count, int j) {
  uint32_t bits = 0;
  for (int64_t i = 0; i < count; ++i) bits |= (from[i] >> j & 1u) << i;
  return bits;
}

// clang-format off
#include "runtime/engine/kernel_body.h"
#include "runtime/engine/kernel_bits.h"
// clang-format on

constexpr BitKernels kBits{"portable", kLanes, slice, convolve_bits};

}  // namespace

const KernelTable& portable_kernels() { return kTable; }
const BitKernels& portable_bit_kernels() { return kBits; }

}  // namespace quantbench::engine
