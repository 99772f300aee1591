// Staircases made ready for the loops of staircase_kernels.h: which edges an element has to look
// at, and the constants of their sigmoids. In float32 what is left out is below 1e-6 of the result
// (of the largest one, where a table makes it), in float64 (for comparisons) below 1e-13.
//
// A position is where an element stands among the edges; the sigmoid of edge e at position p is
// sig(u) with u = slope * (p - e).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "methods/common/staircase.h"
#include "methods/common/step_table.h"

namespace quantbench::kernels {

template <typename Real>
struct SoftLimits;
template <>
struct SoftLimits<float> {
  static constexpr double reach = 14;     // |u| beyond which a sigmoid counts as 0 or 1
  static constexpr double most = 21;      // and is held at, so that four fit in a product
  static constexpr double pair = 6;       // most slope * (distance of two edges) in a pair
  static constexpr double spread = 36;    // most |slope * (edge - centre)| in a group
  static constexpr double exponent = 50;  // most |slope * (centre - position)|
  // |u| beyond which a sigmoid is e^-|u| - e^-2|u|.
  static constexpr double two_terms = 5.25;
  // Rounding: |u| beyond which a sigmoid is e^-|u|, and beyond which it counts as 0 or 1.
  static constexpr double tail = 7.5, end = 12;
};
template <>
struct SoftLimits<double> {
  static constexpr double reach = 34, most = 120, pair = 40, spread = 200, exponent = 400,
                          tail = 16, end = 31;
};

// One edge or two of heights h1, h2 as rational functions of E = exp(slope * (middle - position)),
// with c1, c2 = exp(slope * (edge - middle)):
//   h1/(1+E c1) + h2/(1+E c2) = (n0 + n1 E) / D,  D = 1 + d1 E + d2 E^2,
//   the sum of h s (1-s) = E (s0 + s1 E + s2 E^2) / D^2,
//   the same times (edge - the group's centre): with m in the place of s.
// All coefficients of the first two are positive: nothing cancels.
template <typename Real>
struct EdgePair {
  Real factor = 0;  // exp(slope * (middle - the group's centre))
  Real d1 = 0, d2 = 0, n0 = 0, n1 = 0;
  Real s0 = 0, s1 = 0, s2 = 0, m0 = 0, m1 = 0, m2 = 0;
};

// Edges that share an exponential.
template <typename Real>
struct EdgeGroup {
  Real centre = 0;
  std::vector<EdgePair<Real>> pairs;
};

// The one edge that matters to positions above `from`; `base` is the value before it.
template <typename Real>
struct NearEdge {
  Real from = 0, edge = 0, base = 0, height = 0;
};

// Four edges whose exponents are held between bounds, relative to a centre of their own.
template <typename Real>
struct HeldQuad {
  Real centre = 0;
  Real factor[4] = {1, 1, 1, 1};  // exp(slope * (edge - centre))
  Real height[4] = {0, 0, 0, 0};
};

// The one edge that is near has its sigmoid, those beside it the first two terms of theirs:
// base + height s + (above - above2/E)/E - (below - below2*E)*E, E = exp(slope*(edge - position)).
struct NearNumbers {
  enum : int { Edge, Base, Height, Above, Above2, Below, Below2 };
};

// One of the lists is not empty, or there is a table.
template <typename Real>
struct SoftSteps {
  Real slope = 1, base = 0;          // base: the value before the first edge
  Real first_end = 0, last_end = 0;  // beyond these positions the slope is 0
  std::vector<EdgeGroup<Real>> groups;
  std::vector<NearEdge<Real>> near;  // ascending; each edge is out of the reach of the others
  std::vector<HeldQuad<Real>> held;
  Real least = 0, most = 0;  // of e^-u: where to hold it
  // In float32, for more than two edges, where look_up is fast.
  std::optional<CurveTable> curve;
  std::optional<IntervalTable> near_table;  // NearNumbers
};

// For the sums of `curve`. `clamp` > 0: |u| counts as no more than that, so that slopes never
// vanish (as in the public code of Quantization Networks). 0: none.
template <typename Real>
SoftSteps<Real> soft_steps(const Staircase& staircase, double slope, Curve curve, double clamp = 0);

// The staircase of rounding to integers, as far as it is near: a window of edges that moves with
// the position by whole numbers. What lies beyond on either side counts by its first term, e^-|u|:
// one edge, or, where the grid goes on, a geometric series.
template <typename Real>
struct SoftRounding {
  // At E = 1: the sum, and that of the products with the distance from the centre.
  struct Beyond {
    Real sum = 0, moment = 0;
  };
  Real slope = 1;
  EdgeGroup<Real> window;  // at its lowest place
  Real half_width = 0;     // from its first edge's lower integer to the middle
  Real last_move = 0;      // it moves by 0..last_move
  Beyond one, all;
  // In float32, for many edges, where look_up is fast: without a window.
  std::optional<CurveTable> slope_table, moment_table;
};

// To the integers low..high.
template <typename Real>
SoftRounding<Real> soft_rounding(int64_t low, int64_t high, double slope);

}  // namespace quantbench::kernels
