#include "methods/common/staircase_kernels.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/vector_units.h"
#include "methods/common/fast_exp.h"
#include "methods/common/lane_sum.h"

namespace quantbench::kernels {
namespace {

constexpr int64_t kPart = 512;  // elements whose intermediate values stay in the first-level cache

// The comparisons are written so that NaN passes through.
template <typename Real>
QUANTBENCH_INLINE Real limited(Real x, Real low, Real high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

template <typename Real>
QUANTBENCH_INLINE Real at_most(Real x, Real high) {
  return x > high ? high : x;
}

template <typename Real>
QUANTBENCH_INLINE Real rectified(Real x, Rectifier r) {
  return limited(x, static_cast<Real>(r.low), static_cast<Real>(r.high));
}

template <typename Real>
QUANTBENCH_INLINE bool passes(Real x, Rectifier r) {
  return !(x <= static_cast<Real>(r.low)) & !(x >= static_cast<Real>(r.high));
}

// e^u with u held where a product of four of them is still a number.
template <typename Real>
QUANTBENCH_INLINE Real held_exp(Real u) {
  constexpr Real kMost = static_cast<Real>(SoftLimits<Real>::exponent);
  return fast_exp(limited(u, -kMost, kMost));
}

// A part of a run. `position` is given, the sums are made: of h s, of h s (1-s), and of h s (1-s)
// (edge - centre).
template <typename Real>
struct Part {
  Real position[kPart], exponential[kPart], centre[kPart];
  Real value[kPart], slope[kPart], moment[kPart];
};

enum class Sum { Value, Slope, Moment };  // Moment: and Slope

// The polynomials of a pair.
template <typename Real>
QUANTBENCH_INLINE Real denominator(const EdgePair<Real>& p, Real e) {
  return (p.d2 * e + p.d1) * e + 1;
}
template <typename Real>
QUANTBENCH_INLINE Real slope_of(const EdgePair<Real>& p, Real e) {
  return (p.s2 * e + p.s1) * e + p.s0;
}
template <typename Real>
QUANTBENCH_INLINE Real moment_of(const EdgePair<Real>& p, Real e) {
  return (p.m2 * e + p.m1) * e + p.m0;
}

// Adds Count pairs, two at a time, so that four edges share a division.
template <Sum Wanted, int Count, typename Real>
QUANTBENCH_INLINE void add_some_pairs(Part<Real>& part, int64_t count, const EdgePair<Real>* from) {
  EdgePair<Real> pairs[Count];
  for (int k = 0; k < Count; ++k) pairs[k] = from[k];
  const Real most = static_cast<Real>(std::exp(SoftLimits<Real>::most));
  Real* __restrict value = Wanted == Sum::Value ? part.value : part.slope;
  Real* __restrict moment = part.moment;
  const Real* __restrict exponential = part.exponential;
  for (int64_t i = 0; i < count; ++i) {
    const Real e = exponential[i];
    Real sum = 0, turn = 0;
#pragma GCC unroll 4
    for (int k = 0; k < Count; k += 2) {
      const bool two = k + 1 < Count;
      const EdgePair<Real>&a = pairs[k], &b = pairs[two ? k + 1 : k];
      const Real ea = at_most(e * a.factor, most), da = denominator(a, ea);
      const Real eb = two ? at_most(e * b.factor, most) : 0, db = two ? denominator(b, eb) : 1;
      const Real inverse = 1 / (da * db);
      if (Wanted == Sum::Value) {
        sum += ((a.n1 * ea + a.n0) * db + (two ? (b.n1 * eb + b.n0) * da : 0)) * inverse;
      } else {
        const Real ia = db * inverse, ib = da * inverse;
        const Real wa = ea * ia * ia, wb = two ? eb * ib * ib : 0;
        sum += slope_of(a, ea) * wa + (two ? slope_of(b, eb) * wb : 0);
        if (Wanted == Sum::Moment)
          turn += moment_of(a, ea) * wa + (two ? moment_of(b, eb) * wb : 0);
      }
    }
    value[i] += sum;
    if (Wanted == Sum::Moment) moment[i] += turn;
  }
}

template <Sum Wanted, typename Real>
QUANTBENCH_INLINE void add_pairs(Part<Real>& part, int64_t count,
                                 const std::vector<EdgePair<Real>>& pairs) {
  size_t at = 0;
  for (; at + 4 <= pairs.size(); at += 4) add_some_pairs<Wanted, 4>(part, count, pairs.data() + at);
  switch (pairs.size() - at) {
    case 3:
      return add_some_pairs<Wanted, 3>(part, count, pairs.data() + at);
    case 2:
      return add_some_pairs<Wanted, 2>(part, count, pairs.data() + at);
    case 1:
      return add_some_pairs<Wanted, 1>(part, count, pairs.data() + at);
  }
}

template <Sum Wanted, typename Real>
QUANTBENCH_INLINE void in_groups(Part<Real>& part, int64_t count, const SoftSteps<Real>& steps) {
  for (const EdgeGroup<Real>& group : steps.groups) {
    const Real centre = group.centre, slope = steps.slope;
    for (int64_t i = 0; i < count; ++i)
      part.exponential[i] = held_exp(slope * (centre - part.position[i]));
    add_pairs<Wanted>(part, count, group.pairs);
  }
}

// Passes by Count edges.
template <int Count, typename Real>
QUANTBENCH_INLINE void pass_edges(Part<Real>& part, int64_t count, const NearEdge<Real>* from,
                                  Real* __restrict height) {
  NearEdge<Real> edges[Count];
  for (int k = 0; k < Count; ++k) edges[k] = from[k];
  const Real* __restrict position = part.position;
  Real* __restrict edge = part.centre;
  Real* __restrict base = part.value;
  for (int64_t i = 0; i < count; ++i) {
    const Real p = position[i];
    Real e = edge[i], b = base[i], h = height[i];
#pragma GCC unroll 8
    for (int k = 0; k < Count; ++k) {
      const bool here = p > edges[k].from;
      e = here ? edges[k].edge : e;
      b = here ? edges[k].base : b;
      h = here ? edges[k].height : h;
    }
    edge[i] = e;
    base[i] = b;
    height[i] = h;
  }
}

template <Sum Wanted, typename Real>
QUANTBENCH_INLINE void at_near_edges(Part<Real>& part, int64_t count,
                                     const SoftSteps<Real>& steps) {
  Real height[kPart];
  const NearEdge<Real> first = steps.near[0];
  for (int64_t i = 0; i < count; ++i) {
    part.centre[i] = first.edge;
    part.value[i] = first.base;
    height[i] = first.height;
  }
  size_t at = 1;
  for (; at + 7 <= steps.near.size(); at += 7)
    pass_edges<7>(part, count, steps.near.data() + at, height);
  for (; at + 2 <= steps.near.size(); at += 2)
    pass_edges<2>(part, count, steps.near.data() + at, height);
  if (at < steps.near.size()) pass_edges<1>(part, count, steps.near.data() + at, height);
  const Real slope = steps.slope;
  for (int64_t i = 0; i < count; ++i) {
    const Real e = held_exp(slope * (part.centre[i] - part.position[i]));
    const Real inverse = 1 / (1 + e);
    if (Wanted == Sum::Value)
      part.value[i] += height[i] * inverse;
    else
      part.slope[i] = height[i] * (e * inverse) * inverse;
  }
}

template <Sum Wanted, typename Real>
QUANTBENCH_INLINE void add_held(Part<Real>& part, int64_t count, const SoftSteps<Real>& steps) {
  const Real slope = steps.slope, least = steps.least, most = steps.most;
  for (const HeldQuad<Real>& quad : steps.held) {
    const HeldQuad<Real> q = quad;
    for (int64_t i = 0; i < count; ++i) {
      const Real e = held_exp(slope * (q.centre - part.position[i]));
      Real sum = 0;
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Real own = limited(e * q.factor[j], least, most), inverse = 1 / (1 + own);
        sum += q.height[j] * inverse * (Wanted == Sum::Value ? 1 : own * inverse);
      }
      (Wanted == Sum::Value ? part.value : part.slope)[i] += sum;
    }
  }
}

// What tables need behind the count. Returns the multiple of kTableLanes that covers it.
QUANTBENCH_INLINE int64_t filled_up(Part<float>& part, int64_t count) {
  const int64_t whole = (count + kTableLanes - 1) / kTableLanes * kTableLanes;
  for (int64_t i = count; i < whole; ++i) part.position[i] = 0;
  return whole;
}

template <Sum Wanted, bool Tails>
QUANTBENCH_INLINE void by_near_table(Part<float>& part, int64_t count,
                                     const SoftSteps<float>& steps) {
  float height[kPart], above[kPart], above2[kPart], below[kPart], below2[kPart];
  float* const numbers[] = {part.centre, part.value, height, above, above2, below, below2};
  look_up(*steps.near_table, part.position, numbers, filled_up(part, count));
  const float slope = steps.slope, term = Wanted == Sum::Value ? 1 : 2;
  for (int64_t i = 0; i < count; ++i) {
    const float e = held_exp(slope * (part.centre[i] - part.position[i]));
    const float inverse = 1 / (1 + e), f = Tails ? 1 / e : 0;
    const float up = Tails ? (above[i] - term * above2[i] * f) * f : 0;
    const float down = Tails ? (below[i] - term * below2[i] * e) * e : 0;
    if (Wanted == Sum::Value)
      part.value[i] += height[i] * inverse + (up - down);
    else
      part.slope[i] = height[i] * (e * inverse) * inverse + (up + down);
  }
}

// part.value or part.slope.
template <Sum Wanted, typename Real>
QUANTBENCH_INLINE void sums(Part<Real>& part, int64_t count, const SoftSteps<Real>& steps) {
  Real* to = Wanted == Sum::Value ? part.value : part.slope;
  if constexpr (std::is_same_v<Real, float>) {
    if (steps.near_table)
      return steps.near_table->used > NearNumbers::Above
                 ? by_near_table<Wanted, true>(part, count, steps)
                 : by_near_table<Wanted, false>(part, count, steps);
    if (steps.curve) return look_up(*steps.curve, part.position, to, filled_up(part, count));
  }
  if (!steps.near.empty()) return at_near_edges<Wanted>(part, count, steps);
  const Real start = Wanted == Sum::Value ? steps.base : 0;
  for (int64_t i = 0; i < count; ++i) to[i] = start;
  in_groups<Wanted>(part, count, steps);
  add_held<Wanted>(part, count, steps);
}

template <typename Real>
QUANTBENCH_INLINE void forward(const Real* __restrict x, Real* __restrict y, int64_t n,
                               const SoftSteps<Real>& steps, StepScales<Real> scales,
                               Rectifier rectifier) {
  Part<Real> part;
  for (int64_t begin = 0; begin < n; begin += kPart) {
    const int64_t count = std::min(kPart, n - begin);
    for (int64_t i = 0; i < count; ++i)
      part.position[i] = rectified(x[begin + i], rectifier) * scales.input;
    sums<Sum::Value>(part, count, steps);
    for (int64_t i = 0; i < count; ++i) y[begin + i] = part.value[i] * scales.output;
  }
}

template <typename Real>
QUANTBENCH_INLINE StepSums backward(const BackwardRun<Real>& run, int64_t n,
                                    const SoftSteps<Real>& steps, Real rate,
                                    StepScales<Real> scales, Rectifier rectifier) {
  Part<Real> part;
  LaneSum by_value, by_slope;
  const Real outer = scales.output * rate, first = steps.first_end, last = steps.last_end;
  for (int64_t begin = 0; begin < n; begin += kPart) {
    const int64_t count = std::min(kPart, n - begin);
    const Real* __restrict from = run.x + begin;
    const Real* __restrict y = run.y + begin;
    const Real* __restrict g = run.gradient + begin;
    Real* __restrict dx = run.dx + begin;
    for (int64_t i = 0; i < count; ++i)
      part.position[i] = rectified(from[i], rectifier) * scales.input;
    sums<Sum::Slope>(part, count, steps);
    for (int64_t i = 0; i < count; ++i) {
      // What is held at a bound must not add up over elements far away.
      const bool near = !((part.position[i] < first) | (part.position[i] > last));
      const Real through = near ? g[i] * (outer * part.slope[i]) : 0;
      dx[i] = passes(from[i], rectifier) ? through * scales.input : 0;
      part.value[i] = g[i] * y[i];
      part.moment[i] = through * part.position[i];
    }
    by_value.add(part.value, count);
    by_slope.add(part.moment, count);
  }
  return {by_value.total() / static_cast<double>(scales.output),
          by_slope.total() / static_cast<double>(scales.input)};
}

// Slopes and moments about part.centre, of a window that moves, or of the whole grid.
template <bool Moves, typename Real>
QUANTBENCH_INLINE void in_window(Part<Real>& part, int64_t count,
                                 const SoftRounding<Real>& rounding) {
  const Real middle = rounding.window.centre, half = rounding.half_width;
  const Real last = rounding.last_move, slope = rounding.slope;
  const auto one = rounding.one, all = rounding.all;
  for (int64_t i = 0; i < count; ++i) {
    const Real move = Moves ? limited(std::nearbyint(part.position[i]) - half, Real{0}, last) : 0;
    const Real centre = middle + move, left = last - move;
    const Real e = held_exp(slope * (centre - part.position[i]));
    const Real below = move > 0 ? e : 0, above = left > 0 ? 1 / e : 0;
    part.centre[i] = centre;
    part.exponential[i] = e;
    part.slope[i] =
        !Moves ? 0
               : above * (left > 1 ? all.sum : one.sum) + below * (move > 1 ? all.sum : one.sum);
    part.moment[i] = !Moves ? 0
                            : above * (left > 1 ? all.moment : one.moment) -
                                  below * (move > 1 ? all.moment : one.moment);
  }
  add_pairs<Sum::Moment>(part, count, rounding.window.pairs);
}

// Slopes and moments about the positions themselves.
QUANTBENCH_INLINE void in_tables(Part<float>& part, int64_t count,
                                 const SoftRounding<float>& rounding) {
  const int64_t whole = filled_up(part, count);
  look_up(*rounding.slope_table, part.position, part.slope, whole);
  look_up(*rounding.moment_table, part.position, part.moment, whole);
}

// part.slope = sum w, part.moment = sum w (p - edge), w = s (1 - s).
template <typename Real>
QUANTBENCH_INLINE void dense_sums(Part<Real>& part, int64_t count,
                                  const SoftRounding<Real>& rounding) {
  if constexpr (std::is_same_v<Real, float>)
    if (rounding.slope_table) return in_tables(part, count, rounding);
  if (rounding.last_move > 0)
    in_window<true>(part, count, rounding);
  else
    in_window<false>(part, count, rounding);
  // From the sum about the centre.
  for (int64_t i = 0; i < count; ++i)
    part.moment[i] = (part.position[i] - part.centre[i]) * part.slope[i] - part.moment[i];
}

template <typename Real>
QUANTBENCH_INLINE StepSums dense_backward(const Real* x, const Real* gradient, Real* dx, int64_t n,
                                          const SoftRounding<Real>& rounding, Real inverse,
                                          Real low, Real high, Rectifier rectifier) {
  Part<Real> part;
  LaneSum by_scale, by_width;
  const Real r = rounding.slope;
  // Beyond the outer edges' reach nothing changes any more; u stays finite.
  const Real margin = static_cast<Real>(SoftLimits<Real>::most) / r + 1;
  const Real least = low - margin, most = high + margin;
  for (int64_t begin = 0; begin < n; begin += kPart) {
    const int64_t count = std::min(kPart, n - begin);
    const Real* __restrict from = x + begin;
    const Real* __restrict g = gradient + begin;
    Real* __restrict to = dx + begin;
    for (int64_t i = 0; i < count; ++i)
      part.position[i] = limited(rectified(from[i], rectifier) * inverse, least, most);
    dense_sums(part, count, rounding);
    for (int64_t i = 0; i < count; ++i) {
      const Real p = part.position[i];
      // What a table holds at its ends must not add up over elements far away.
      const bool near = !((p <= least) | (p >= most));
      const Real s0 = near ? r * part.slope[i] : 0, s1 = near ? r * part.moment[i] : 0;
      const Real m = limited(std::nearbyint(p), low, high);
      to[i] = passes(from[i], rectifier) ? g[i] * s0 : 0;
      part.value[i] = g[i] * (m - p * s0 + s1);
      part.moment[i] = g[i] * s1;
    }
    by_scale.add(part.value, count);
    by_width.add(part.moment, count);
  }
  return {by_scale.total(), by_width.total()};
}

}  // namespace

QUANTBENCH_CLONES
void soft_steps_forward(const float* x, float* y, int64_t n, const SoftSteps<float>& steps,
                        StepScales<float> scales, Rectifier rectifier) {
  forward(x, y, n, steps, scales, rectifier);
}

void soft_steps_forward(const double* x, double* y, int64_t n, const SoftSteps<double>& steps,
                        StepScales<double> scales, Rectifier rectifier) {
  forward(x, y, n, steps, scales, rectifier);
}

QUANTBENCH_CLONES
StepSums soft_steps_backward(const BackwardRun<float>& run, int64_t n,
                             const SoftSteps<float>& steps, float rate, StepScales<float> scales,
                             Rectifier rectifier) {
  return backward(run, n, steps, rate, scales, rectifier);
}

StepSums soft_steps_backward(const BackwardRun<double>& run, int64_t n,
                             const SoftSteps<double>& steps, double rate, StepScales<double> scales,
                             Rectifier rectifier) {
  return backward(run, n, steps, rate, scales, rectifier);
}

QUANTBENCH_CLONES
void hard_steps(const float* x, float* y, int64_t n, const float* edges, const float* levels,
                int64_t edge_count, Rectifier rectifier) {
  float position[kPart];
  for (int64_t begin = 0; begin < n; begin += kPart) {
    const int64_t count = std::min(kPart, n - begin);
    float* __restrict to = y + begin;
    for (int64_t i = 0; i < count; ++i) {
      position[i] = rectified(x[begin + i], rectifier);
      to[i] = levels[0];
    }
    for (int64_t k = 0; k < edge_count; ++k) {
      const float edge = edges[k], level = levels[k + 1];
      for (int64_t i = 0; i < count; ++i) to[i] = position[i] > edge ? level : to[i];
    }
    for (int64_t i = 0; i < count; ++i) to[i] = std::isnan(position[i]) ? position[i] : to[i];
  }
}

QUANTBENCH_CLONES
StepSums semi_relaxed_backward(const float* x, const float* gradient, float* dx, int64_t n,
                               const SoftRounding<float>& steps, float inverse, float low,
                               float high, Rectifier rectifier) {
  return dense_backward(x, gradient, dx, n, steps, inverse, low, high, rectifier);
}

StepSums semi_relaxed_backward(const double* x, const double* gradient, double* dx, int64_t n,
                               const SoftRounding<double>& steps, double inverse, double low,
                               double high, Rectifier rectifier) {
  return dense_backward(x, gradient, dx, n, steps, inverse, low, high, rectifier);
}

}  // namespace quantbench::kernels
