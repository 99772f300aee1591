// Quantizers whose gradient is that of a soft staircase, each one pass over memory forward and one
// backward that keeps the input and the result. On the CPU float32, bfloat16 (computed in float32,
// the result rounded) and float64 (to be compared with) run through kernels; on other devices the
// same formulas run edge by edge as tensor operations. `x` of another type is converted to float32;
// the result has its shape and memory format. Second derivatives are refused with an Error.
#pragma once

#include "base/torch.h"
#include "methods/common/kernels.h"
#include "methods/common/staircase.h"
#include "methods/encoding.h"
#include "models/tap.h"

namespace quantbench {

// The ReLU that a tap has to do, if any.
kernels::Rectifier rectifier_of(const TapContext& context);

struct Softness {
  double temperature = 1;  // T > 0: the steepness of the sigmoids
  double clamp = 0;        // > 0: |T(beta x - b)| counts as no more, forward and backward
  // The slope of the sigmoids is taken at temperature 1 and multiplied by T, as the public code of
  // Quantization Networks does: not the derivative of the forward function.
  bool slope_at_one = false;
  bool kernels = true;  // false: tensor operations on the CPU, too
  // > 0: slopes are those of the function at this temperature, as the CIFAR-10 port of Quantization
  // Networks takes those of activations (at 1).
  double slope_temperature = 0;
};

// Quantization Networks (arXiv 1911.09464, eq. 3): y = alpha * (lowest + sum_i heights_i *
// sig(T * (beta*x - edges_i))). `alpha` and `beta` [1] get their gradients.
Tensor soft_staircase(const Tensor& x, const Tensor& alpha, const Tensor& beta,
                      const Staircase& staircase, const Softness& softness = {},
                      kernels::Rectifier rectifier = {});

// apply(format, rectified x), bit for bit, for a format of one table with thresholds; without a
// gradient.
Tensor hard_steps(const Tensor& x, const CodebookFormat& format, kernels::Rectifier rectifier = {});

// SRQ (arXiv 1911.12990): forward the most probable grid point of alpha * {low..high} under
// logistic noise of scale sigma, which is the nearest; backward the derivatives of the categorical
// probabilities' mean, with the outer cells open ("dense"; sigma -> 0 would be rounding, from sigma
// = alpha/2 on it is the clipped straight-through estimator). `alpha` and `sigma` [1] get their
// gradients:
//   dy/dx = r S0,  dy/dalpha = m - r (p S0 - S1/r),  dy/dsigma = -r S1,
// r = alpha/sigma, p = x/alpha, S0 = sum sig'(u_k), S1 = sum sig'(u_k) u_k, u_k = r (p - k + 1/2).
Tensor semi_relaxed_quantize(const Tensor& x, const Tensor& alpha, const Tensor& sigma, int64_t low,
                             int64_t high, kernels::Rectifier rectifier = {}, bool kernels = true);

}  // namespace quantbench
