// How many bits a fixed-point number takes (HGQ, arXiv 2405.00645, sections 3 and 4): as the loss
// estimates it while ranges and weights still move, and exactly, once they stand.
//
// A number has k sign bits (0 or 1), i integer bits and F fractional ones; i and F may be negative,
// and k + i + F = 0 is the constant 0. All tensors are float32 and broadcast to each other; widths
// are whole numbers >= 0.
#pragma once

#include "base/torch.h"

namespace quantbench::hgq {

// Upper estimates for the loss. Of values between `low` and `high`, sign included:
//   max(0, floor(log2 m) + 1 + F + k),  m = max(|low|, |high|);  0 where both are 0.
Tensor estimated_range_bits(const Tensor& low, const Tensor& high, const Tensor& fraction);
// Of weights on their grid, without sign: max(0, floor(log2 |q|) + 1 + F); 0 where q is 0.
Tensor estimated_weight_bits(const Tensor& quantized, const Tensor& fraction);

// `widths` with the gradient 1 in f wherever it is > 0, times `share`: 1/sqrt(n) where one f serves
// n numbers, so that it does not learn n times as fast (the value stays the sum over all n).
Tensor with_gradient(const Tensor& widths, const Tensor& f, double share);

// Exactly what holds every value between low and high on the grid of F.
struct FixedPointType {
  Tensor sign, integer;  // k and i
  Tensor width;          // k + i + F
};
//   i = max(ceil(log2 |low|) if low < 0, ceil(log2(high + 2^-F)) if high > 0), in [-F-k, 32]
FixedPointType exact_type(const Tensor& low, const Tensor& high, const Tensor& fraction);

// Bits from the most to the least significant one that is set, of |q|: what a multiplication by the
// constant q costs. 0 for 0, 1 for a power of two.
Tensor enclosed_bits(const Tensor& quantized);
// The exponent of the least significant bit that is set: q = odd * 2^exponent. 0 for 0.
Tensor lowest_exponent(const Tensor& quantized);

}  // namespace quantbench::hgq
