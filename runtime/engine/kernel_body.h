// The kernels, written once over the primitives that the including file defines for its instruction
// set: Ints and Floats of kLanes numbers, kTilePixels by
// kTileBlocks and kSinglePixels by 1, and the functions named in
// portable.cpp. Included inside an unnamed namespace, and of the standard library only what is no
// template: a copy of an inline function compiled for a wide vector unit must never be the one that
// the linker keeps.

// Each uses what stands above it.
// clang-format off
#include "runtime/engine/kernel_common.h"
#include "runtime/engine/kernel_cells.h"
#include "runtime/engine/kernel_finish.h"
#include "runtime/engine/kernel_tiles.h"
#include "runtime/engine/kernel_convolution.h"
#include "runtime/engine/kernel_nibbles.h"
#include "runtime/engine/kernel_planes.h"
#include "runtime/engine/kernel_windows.h"
#include "runtime/engine/kernel_aggregation.h"
#include "runtime/engine/kernel_sparse.h"
#include "runtime/engine/kernel_peaks.h"
// clang-format on

constexpr KernelTable kTable{
    kName,        kLanes,     kTilePixels, kHasBytes,        kNibbleDots,     kNibbleShift,
    peak_integer, peak_float, convolve,    multiply_nibbles, multiply_planes, depthwise,
    pool,         sum_bytes,  map,         aggregate,        sparse_product,  interleave};
