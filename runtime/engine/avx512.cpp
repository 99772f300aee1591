// Kernels for AVX-512 with VNNI (avx512f, bw, vl, vnni): four bytes or two shorts a lane and
// instruction. A test compiles this file against an emulation of the intrinsics; it sets
// QUANTBENCH_EMULATE to the emulation's header and takes the table under another name.
#ifdef QUANTBENCH_EMULATE
#include QUANTBENCH_EMULATE
#else
#include <immintrin.h>
#endif

#include "base/vector_units.h"
#include "runtime/engine/kernels.h"

#ifndef QUANTBENCH_AVX512_TABLE
#define QUANTBENCH_AVX512_TABLE avx512_kernels
#endif

namespace quantbench::engine {
namespace {

constexpr char kName[] = "avx512-vnni";
#ifdef QUANTBENCH_EMULATE
// An emulated tile of full size takes a compiler minutes.
constexpr int kTilePixels = 2, kSinglePixels = 2;
#else
constexpr int kTilePixels = 12, kSinglePixels = 16;
#endif
constexpr int kLanes = 16, kTileBlocks = 2;
constexpr bool kHasBytes = true;

#include "runtime/engine/avx512_vectors.h"
#include "runtime/engine/kernel_body.h"

}  // namespace

const KernelTable& QUANTBENCH_AVX512_TABLE() { return kTable; }

}  // namespace quantbench::engine
