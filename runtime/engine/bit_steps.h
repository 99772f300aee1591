// Steps that multiply by counting bits.
#pragma once

#include "runtime/engine/bits.h"
#include "runtime/engine/steps.h"

namespace quantbench::engine {

// How many planes of bits the stored bytes of `x` have, whose integers reach to `high`.
int planes_of(const Layout& x, int64_t high);

// The planes of a value as one of its own, with the same borders: I32 cells, planes * words of a
// pixel.
Layout sliced(const Layout& x, int planes);
std::unique_ptr<ProgramStep> slice_step(const BitKernels& bits, const Operand& x, int planes,
                                        const Operand& y);

// A convolution, or a product over rows, with weights int32 [out, channels of x, kernel_h,
// kernel_w], all 1 or -1; `slices` holds the planes of `x`.
std::unique_ptr<ProgramStep> bit_step(const KernelTable& kernels, const BitKernels& bits,
                                      const Tensor& weights, const Geometry& geometry,
                                      const Operand& x, int planes, const Operand& slices,
                                      EpilogueData epilogue, const Operand& y);

// Seconds of a multiply-accumulate of bytes, of one bit with one bit, and of slicing one byte into
// one plane, measured once a process.
struct BitCosts {
  double byte_mac = 0, bit_mac = 0, slice = 0;
};
BitCosts measured_costs(const KernelTable& kernels, const BitKernels& bits);

}  // namespace quantbench::engine
