// Quantization while a network trains: values on the grid, gradients by a rule. On the CPU each
// function is one pass over memory forward and one backward, keeps only its input for the backward
// pass, and takes any dense memory format; on other devices the same formulas run as tensor
// operations.
//
// In every function: `x` is a float tensor (converted to float32, unless it is bfloat16), the result
// is of its type, shape and memory format and equals apply(format, rectified x) bit for bit; in
// bfloat16, rounded to it. Second derivatives are refused with an Error: rounding has none.
#pragma once

#include "methods/encoding.h"

namespace quantbench {

// What a quantizer does to its input first, and where its gradient passes.
struct StraightThrough {
  bool relu = false;          // a ReLU: max(x, 0), no gradient where x <= 0
  double relu_max = 0;        // its upper limit (6 for ReLU6), no gradient from there on; 0: none
  bool pass_clipped = false;  // gradient 1 beyond the ends of the grid, too
};

// Straight-through estimator (Bengio et al. 2013): the gradient passes unchanged where x lies on
// the grid or within half a step of its ends, and is 0 beyond.
Tensor fake_quantize(const Tensor& x, const UniformFormat& format,
                     const StraightThrough& rule = {});

// The same, together with the smallest and the largest rectified x (what a moving range follows),
// found in the same pass. Without elements low is +infinity and high -infinity.
struct ObservedQuantization {
  Tensor value;
  double low = 0, high = 0;
};
ObservedQuantization fake_quantize_observed(const Tensor& x, const UniformFormat& format,
                                            const StraightThrough& rule = {});

// LSQ (Esser et al. 2020, eq. 1-5): the grid's step is learned. `scale` float32 [1] or [channels]
// gets, with v = x/scale and k its nearest grid integer, the gradient
//   gradient_scale * sum g * (k - v if v lies strictly inside the grid, else k);
// `grid` gives everything but the scale, which is learned_scale(scale).
Tensor learned_step_quantize(const Tensor& x, const Tensor& scale, const UniformFormat& grid,
                             double gradient_scale, const StraightThrough& rule = {});

// `grid` with a learned scale, kept positive.
UniformFormat with_scale(const UniformFormat& grid, const Tensor& scale);

// PACT (Choi et al. 2018, eq. 1-3): clips to 0..alpha and quantizes to `bits`; `alpha` float32 [1]
// gets the sum of g where x >= alpha. Does a ReLU's work; relu_max as in StraightThrough.
Tensor pact_quantize(const Tensor& x, const Tensor& alpha, BitWidth bits, double relu_max = 0);
UniformFormat pact_format(const Tensor& alpha, BitWidth bits);

// DoReFa's weights before rounding (Zhou et al. 2016, eq. 9, on -1..1): tanh(w) / max |tanh(w)|.
// The maximum counts as a constant in the gradient.
Tensor dorefa_normalise(const Tensor& weight);
// The 2^k levels of eq. 9, evenly spaced from -1 to 1.
UniformFormat dorefa_format(BitWidth bits);

}  // namespace quantbench
