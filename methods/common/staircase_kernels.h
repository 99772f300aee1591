// The inner loops of soft staircases: sums of shifted sigmoids and their derivatives, one pass over
// memory each, forward and backward. An element looks into a table where there is one, else at the
// edges near it only: four edges share a division, a run of edges shares an exponential
// (soft_steps.h).
#pragma once

#include <cstdint>

#include "methods/common/kernels.h"
#include "methods/common/soft_steps.h"

namespace quantbench::kernels {

// Position and result of an element: position = input_scale * rectified x, y = output_scale * sum.
template <typename Real>
struct StepScales {
  Real input = 1, output = 1;
};

// y = output scale * (base + sum height_i sig(u_i)).
void soft_steps_forward(const float* x, float* y, int64_t n, const SoftSteps<float>& steps,
                        StepScales<float> scales, Rectifier rectifier);
void soft_steps_forward(const double* x, double* y, int64_t n, const SoftSteps<double>& steps,
                        StepScales<double> scales, Rectifier rectifier);

struct StepSums {
  double first = 0, second = 0;
};

// What a backward pass reads and writes: the input, the result, its gradient, and the gradient of
// the input.
template <typename Real>
struct BackwardRun {
  const Real* x;
  const Real* y;
  const Real* gradient;
  Real* dx;
};

// dx = gradient * input scale * output scale * rate * S, where S = sum height_i sig'(u_i) and no
// gradient passes a closed ReLU. Returns the sums of gradient * y / output scale and of gradient *
// output scale * rate * S * rectified x.
StepSums soft_steps_backward(const BackwardRun<float>& run, int64_t n,
                             const SoftSteps<float>& steps, float rate, StepScales<float> scales,
                             Rectifier rectifier);
StepSums soft_steps_backward(const BackwardRun<double>& run, int64_t n,
                             const SoftSteps<double>& steps, double rate, StepScales<double> scales,
                             Rectifier rectifier);

// y = levels[number of edges strictly below rectified x]; NaN stays NaN.
void hard_steps(const float* x, float* y, int64_t n, const float* edges, const float* levels,
                int64_t edge_count, Rectifier rectifier);

// SRQ's dense rule on the integers low..high, r = alpha/sigma the slope of `steps`:
// dx = gradient * r * S0. Returns the sums of gradient * (m - r*p*S0 + S1), with m the integer
// nearest to p = x/alpha, and of gradient * S1; S0 = sum sig'(u_k), S1 = sum sig'(u_k) u_k.
StepSums semi_relaxed_backward(const float* x, const float* gradient, float* dx, int64_t n,
                               const SoftRounding<float>& steps, float inverse, float low,
                               float high, Rectifier rectifier);
StepSums semi_relaxed_backward(const double* x, const double* gradient, double* dx, int64_t n,
                               const SoftRounding<double>& steps, double inverse, double low,
                               double high, Rectifier rectifier);

}  // namespace quantbench::kernels
