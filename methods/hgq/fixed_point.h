// Fixed-point numbers whose number of fractional bits learns (HGQ, arXiv 2405.00645, section 3):
//
//   q(x) = floor(x 2^F + e) 2^-F,   F = round(f),   e = 1/2 (HalfUp) or 0 (Floor)
//   dq/dx = 1,   dq/df = ln 2 (x - q(x))
//
// the second because |x - q(x)| falls like 2^-f. Neither clamped nor wrapped: the range is measured
// while training, and the integer bits follow from it.
#pragma once

#include "methods/encoding.h"

namespace quantbench::hgq {

constexpr int kMostFractionBits = 23;  // of |F|

// F: f rounded half to even, float32, within +-23.
Tensor fraction_bits(const Tensor& f);

struct FixedPointRule {
  Rounding rounding = Rounding::HalfUp;
  bool relu = false;    // a ReLU follows: no gradient, to x or f, where q(x) <= 0
  double relu_max = 0;  // the ReLU's upper limit, 0: none
  bool observe = false;
};

struct FixedPointValues {
  Tensor value;      // float32, shape and memory format of x
  Tensor low, high;  // the extremes of `value` over what shares an f, f's shape; if observed
};

// `x` float32; `f` float32 with as many dimensions as x (a weight), or fewer (an activation, whose
// first dimension counts samples), and broadcasts to it. On the CPU one pass over memory each way;
// on other devices tensor operations with the same values.
FixedPointValues fixed_point(const Tensor& x, const Tensor& f, const FixedPointRule& rule = {});

// `t` reduced to `shape`, which broadcasts to it.
enum class Reduction { Sum, Smallest, Largest };
Tensor reduce_to(const Tensor& t, torch::IntArrayRef shape, Reduction how);

}  // namespace quantbench::hgq
