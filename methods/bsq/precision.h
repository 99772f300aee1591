// Weights as integers of sign and magnitude, and how their number of bits is found: re-quantization
// and removal of empty bit planes (BSQ, arXiv 2102.10462, section 3.3).
#pragma once

#include "base/torch.h"

namespace quantbench::bsq {

constexpr int kMostBits = 8;  // of a magnitude

// w = scale / (2^bits - 1) * code. `bits` counts the magnitude alone, as the paper does: 1 bit is
// ternary. With 0 bits every weight is 0.
struct Magnitudes {
  int bits = kMostBits;
  double scale = 1;  // s: the largest magnitude that can be represented
  Tensor codes;      // int32, the weight's shape, |code| <= 2^bits - 1

  double step() const;  // s / (2^bits - 1); s where there are no bits
};

// max |code|.
int64_t largest_code(int bits);

// The bits themselves, trainable: float32 [bits, weights], the lowest bit first. After a conversion
// each is 0 or 1, and at most one of the two planes holds a weight's bits.
struct BitPlanes {
  Tensor positive, negative;
};

// s = max |w|, code = round(|w| / s * (2^bits - 1)) with the weight's sign. A weight of zeros gets
// s = 1.
Magnitudes magnitudes_of(const Tensor& weight, int bits);

BitPlanes planes_of(const Magnitudes& weights);

// sum_b 2^b (P_b - N_b), added as the training step adds it: float32 [weights].
Tensor sum_of(const BitPlanes& planes);

// The integers nearest to sum_b 2^b (P_b - N_b), unclamped. Where one does not fit and bits are
// left below kMostBits the layer grows by one bit, which always suffices, for bits are at most 2;
// else it is clamped. Without `may_grow` it is clamped at once, as the forward pass has it.
Magnitudes requantize(const BitPlanes& planes, torch::IntArrayRef shape, double scale,
                      bool may_grow);

struct Adjusted {
  Magnitudes weights;
  int low = 0, high = 0;  // planes dropped from the bottom and from the top
};

// Drops the planes that are empty from the bottom and from the top, down to `least` bits, and
// scales s so that the weights stay what they are.
Adjusted drop_empty_planes(const Magnitudes& weights, int least);

}  // namespace quantbench::bsq
