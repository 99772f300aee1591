// The inner loops of soft staircases: sums of shifted sigmoids and their derivatives, one pass over
// memory each, forward and backward. An element looks at the edges near it only, four edges share
// a division, and a run of edges shares an exponential. In float32 what is left out is below 1e-6
// of the result, in float64 (for comparisons) below 1e-13.
//
// A position is where an element stands among the edges; the sigmoid of edge e at position p is
// sig(u) with u = slope * (p - e).
#pragma once

#include <cstdint>
#include <vector>

#include "methods/common/kernels.h"
#include "methods/common/staircase.h"

namespace quantbench::kernels {

// Four edges, relative to a centre. What is missing to four has height 0.
template <typename Real>
struct EdgeQuad {
  Real factor[4] = {1, 1, 1, 1};  // exp(slope * (edge - centre))
  Real height[4] = {0, 0, 0, 0};
  Real position[4] = {0, 0, 0, 0};  // edge - centre
};

// Edges that share an exponential.
template <typename Real>
struct EdgeGroup {
  Real centre = 0;
  std::vector<EdgeQuad<Real>> quads;
};

// The edges that matter from `from` on, up to the next window; all others are over or not reached.
template <typename Real>
struct EdgeWindow {
  Real from = 0, base = 0, slope_base = 0, centre = 0;
  EdgeQuad<Real> quad;
};

// A staircase made ready for the loops.
template <typename Real>
struct SoftSteps {
  Real slope = 1;
  Real least = 0, most = 1;          // bounds of e^-u
  Real first_end = 0, last_end = 0;  // beyond these positions the slope is 0

  // One of three ways to find the edges near a position:
  // all of them, in groups;
  std::vector<EdgeGroup<Real>> groups;
  Real base = 0;
  // the windows, one of which is chosen by comparisons;
  std::vector<EdgeWindow<Real>> windows;
  // the one group, moved by whole numbers: integers first + 0, 1, ... moves.
  bool moves = false;
  Real first_move = 0, last_move = 0, half_width = 0;
};

// `clamp` > 0: |u| counts as no more than that, so that slopes never vanish (as in the public code
// of Quantization Networks). 0: none.
template <typename Real>
SoftSteps<Real> soft_steps(const Staircase& staircase, double slope, double clamp = 0);
// The staircase of rounding to the integers low..high.
template <typename Real>
SoftSteps<Real> soft_rounding(int64_t low, int64_t high, double slope);

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

// dx = gradient * input scale * output scale * rate * S, where S = sum height_i sig'(u_i) under
// `slopes` and no gradient passes a closed ReLU. Returns the sums of gradient * y / output scale,
// y under `steps`, and of gradient * output scale * rate * S * rectified x.
StepSums soft_steps_backward(const float* x, const float* gradient, float* dx, int64_t n,
                             const SoftSteps<float>& steps, const SoftSteps<float>& slopes,
                             float rate, StepScales<float> scales, Rectifier rectifier);
StepSums soft_steps_backward(const double* x, const double* gradient, double* dx, int64_t n,
                             const SoftSteps<double>& steps, const SoftSteps<double>& slopes,
                             double rate, StepScales<double> scales, Rectifier rectifier);

// y = levels[number of edges strictly below rectified x]; NaN stays NaN.
void hard_steps(const float* x, float* y, int64_t n, const float* edges, const float* levels,
                int64_t edge_count, Rectifier rectifier);

// SRQ's dense rule on the integers low..high, r = alpha/sigma the slope of `steps`:
// dx = gradient * r * S0. Returns the sums of gradient * (m - r*p*S0 + S1), with m the integer
// nearest to p = x/alpha, and of gradient * S1; S0 = sum sig'(u_k), S1 = sum sig'(u_k) u_k.
StepSums semi_relaxed_backward(const float* x, const float* gradient, float* dx, int64_t n,
                               const SoftSteps<float>& steps, float inverse, float low, float high,
                               Rectifier rectifier);
StepSums semi_relaxed_backward(const double* x, const double* gradient, double* dx, int64_t n,
                               const SoftSteps<double>& steps, double inverse, double low,
                               double high, Rectifier rectifier);

}  // namespace quantbench::kernels
