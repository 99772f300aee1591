#include "methods/common/staircase_kernels.h"

#include <algorithm>
#include <cmath>

#include "base/vector_units.h"
#include "methods/common/fast_exp.h"
#include "methods/common/lane_sum.h"

namespace quantbench::kernels {
namespace {

constexpr int64_t kPart = 512;  // elements whose intermediate values stay in the first-level cache

template <typename Real>
struct Limits;
template <>
struct Limits<float> {
  static constexpr double reach = 14;     // |u| beyond which a sigmoid counts as 0 or 1
  static constexpr double most = 20;      // and is held at, so that four fit in a product
  static constexpr double spread = 20;    // most |slope * (edge - centre)| in a group
  static constexpr double exponent = 60;  // most |slope * (centre - position)|
};
template <>
struct Limits<double> {
  static constexpr double reach = 34, most = 40, spread = 60, exponent = 400;
};

// The comparisons are written so that NaN passes through.
template <typename Real>
QUANTBENCH_INLINE Real limited(Real x, Real low, Real high) {
  x = x < low ? low : x;
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

// What is added up for an element: sum of h*s, of h*s*(1-s) and of h*s*(1-s)*(edge - centre).
template <typename Real>
struct QuadSum {
  Real value, slope, moment;
};

template <typename Real>
QUANTBENCH_INLINE QuadSum<Real> quad_sum(Real e, Real f0, Real f1, Real f2, Real f3, Real h0,
                                         Real h1, Real h2, Real h3, const Real* position,
                                         Real least, Real most) {
  const Real e0 = limited(e * f0, least, most), e1 = limited(e * f1, least, most);
  const Real e2 = limited(e * f2, least, most), e3 = limited(e * f3, least, most);
  const Real d0 = 1 + e0, d1 = 1 + e1, d2 = 1 + e2, d3 = 1 + e3;
  const Real d01 = d0 * d1, d23 = d2 * d3;
  const Real inverse = 1 / (d01 * d23);
  const Real over01 = d23 * inverse, over23 = d01 * inverse;
  const Real p0 = d1 * over01, p1 = d0 * over01, p2 = d3 * over23, p3 = d2 * over23;
  const Real s0 = h0 * p0, s1 = h1 * p1, s2 = h2 * p2, s3 = h3 * p3;
  const Real w0 = s0 * (e0 * p0), w1 = s1 * (e1 * p1), w2 = s2 * (e2 * p2), w3 = s3 * (e3 * p3);
  return {(s0 + s1) + (s2 + s3), (w0 + w1) + (w2 + w3),
          (w0 * position[0] + w1 * position[1]) + (w2 * position[2] + w3 * position[3])};
}

// A part of a run. `position` is given, the sums are made.
template <typename Real>
struct Part {
  Real position[kPart], exponential[kPart], centre[kPart];
  Real value[kPart], slope[kPart], moment[kPart];
};

template <typename Real>
QUANTBENCH_INLINE void exponentials(Part<Real>& part, int64_t count, Real slope) {
  constexpr Real kMost = static_cast<Real>(Limits<Real>::exponent);
  for (int64_t i = 0; i < count; ++i)
    part.exponential[i] =
        fast_exp(limited(slope * (part.centre[i] - part.position[i]), -kMost, kMost));
}

// Values, slopes and moments about the centre, added to what is there.
template <bool Moments, typename Real>
QUANTBENCH_INLINE void add_quad(Part<Real>& part, int64_t count, const EdgeQuad<Real>& q,
                                Real least, Real most) {
  const Real f0 = q.factor[0], f1 = q.factor[1], f2 = q.factor[2], f3 = q.factor[3];
  const Real h0 = q.height[0], h1 = q.height[1], h2 = q.height[2], h3 = q.height[3];
  const Real position[4] = {q.position[0], q.position[1], q.position[2], q.position[3]};
  for (int64_t i = 0; i < count; ++i) {
    const QuadSum<Real> sum =
        quad_sum(part.exponential[i], f0, f1, f2, f3, h0, h1, h2, h3, position, least, most);
    part.value[i] += sum.value;
    part.slope[i] += sum.slope;
    if (Moments) part.moment[i] += sum.moment;
  }
}

template <typename Real>
QUANTBENCH_INLINE void in_groups(Part<Real>& part, int64_t count, const SoftSteps<Real>& steps) {
  for (int64_t i = 0; i < count; ++i) {
    part.value[i] = steps.base;
    part.slope[i] = 0;
  }
  for (const EdgeGroup<Real>& group : steps.groups) {
    for (int64_t i = 0; i < count; ++i) part.centre[i] = group.centre;
    exponentials(part, count, steps.slope);
    for (const EdgeQuad<Real>& quad : group.quads)
      add_quad<false>(part, count, quad, steps.least, steps.most);
  }
}

template <bool Moments, typename Real>
QUANTBENCH_INLINE void moving(Part<Real>& part, int64_t count, const SoftSteps<Real>& steps) {
  const EdgeGroup<Real>& group = steps.groups[0];
  for (int64_t i = 0; i < count; ++i) {
    const Real move = limited(std::nearbyint(part.position[i]) - steps.half_width, steps.first_move,
                              steps.last_move);
    part.centre[i] = group.centre + move;
    part.value[i] = steps.base + move;
    part.slope[i] = 0;
    part.moment[i] = 0;
  }
  exponentials(part, count, steps.slope);
  for (const EdgeQuad<Real>& quad : group.quads)
    add_quad<Moments>(part, count, quad, steps.least, steps.most);
}

template <typename Real>
QUANTBENCH_INLINE void in_windows(Part<Real>& part, int64_t count, const SoftSteps<Real>& steps) {
  Real factor[4][kPart], height[4][kPart];
  // The first window is chosen by all.
  for (const EdgeWindow<Real>& window : steps.windows) {
    const EdgeQuad<Real> quad = window.quad;
    const Real from = window.from, base = window.base, slope_base = window.slope_base;
    const Real centre = window.centre;
    if (&window == &steps.windows[0]) {
      for (int64_t i = 0; i < count; ++i) {
        part.value[i] = base;
        part.slope[i] = slope_base;
        part.centre[i] = centre;
      }
      for (int j = 0; j < 4; ++j)
        for (int64_t i = 0; i < count; ++i) {
          factor[j][i] = quad.factor[j];
          height[j][i] = quad.height[j];
        }
      continue;
    }
    for (int64_t i = 0; i < count; ++i) {
      const bool here = part.position[i] > from;
      part.value[i] = here ? base : part.value[i];
      part.slope[i] = here ? slope_base : part.slope[i];
      part.centre[i] = here ? centre : part.centre[i];
      for (int j = 0; j < 4; ++j) {
        factor[j][i] = here ? quad.factor[j] : factor[j][i];
        height[j][i] = here ? quad.height[j] : height[j][i];
      }
    }
  }
  exponentials(part, count, steps.slope);
  const Real least = steps.least, most = steps.most;
  const Real position[4] = {0, 0, 0, 0};
  for (int64_t i = 0; i < count; ++i) {
    const QuadSum<Real> sum =
        quad_sum(part.exponential[i], factor[0][i], factor[1][i], factor[2][i], factor[3][i],
                 height[0][i], height[1][i], height[2][i], height[3][i], position, least, most);
    part.value[i] += sum.value;
    part.slope[i] += sum.slope;
  }
}

template <typename Real>
QUANTBENCH_INLINE void sums(Part<Real>& part, int64_t count, const SoftSteps<Real>& steps) {
  if (!steps.windows.empty()) return in_windows(part, count, steps);
  if (steps.moves) return moving<false>(part, count, steps);
  in_groups(part, count, steps);
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
    sums(part, count, steps);
    for (int64_t i = 0; i < count; ++i) y[begin + i] = part.value[i] * scales.output;
  }
}

template <typename Real>
QUANTBENCH_INLINE StepSums backward(const Real* __restrict x, const Real* __restrict gradient,
                                    Real* __restrict dx, int64_t n, const SoftSteps<Real>& steps,
                                    const SoftSteps<Real>& slopes, Real rate,
                                    StepScales<Real> scales, Rectifier rectifier) {
  Part<Real> part;
  Real values[kPart];
  LaneSum by_value, by_slope;
  const Real outer = scales.output * rate;
  for (int64_t begin = 0; begin < n; begin += kPart) {
    const int64_t count = std::min(kPart, n - begin);
    const Real* from = x + begin;
    const Real* g = gradient + begin;
    for (int64_t i = 0; i < count; ++i)
      part.position[i] = rectified(from[i], rectifier) * scales.input;
    sums(part, count, steps);
    for (int64_t i = 0; i < count; ++i) values[i] = part.value[i];
    if (&steps != &slopes) sums(part, count, slopes);
    for (int64_t i = 0; i < count; ++i) {
      // What is held at a bound must not add up over elements far away.
      const bool near =
          !((part.position[i] < slopes.first_end) | (part.position[i] > slopes.last_end));
      const Real through = near ? g[i] * (outer * part.slope[i]) : 0;
      dx[begin + i] = passes(from[i], rectifier) ? through * scales.input : 0;
      values[i] = g[i] * values[i];
      part.value[i] = through * rectified(from[i], rectifier);
    }
    by_value.add(values, count);
    by_slope.add(part.value, count);
  }
  return {by_value.total(), by_slope.total()};
}

template <typename Real>
QUANTBENCH_INLINE StepSums dense_backward(const Real* __restrict x, const Real* __restrict gradient,
                                          Real* __restrict dx, int64_t n,
                                          const SoftSteps<Real>& steps, Real inverse, Real low,
                                          Real high, Rectifier rectifier) {
  Part<Real> part;
  LaneSum by_scale, by_width;
  const Real r = steps.slope;
  // Beyond the outer edges' reach nothing changes any more; u stays finite.
  const Real margin = static_cast<Real>(Limits<Real>::most) / r + 1;
  for (int64_t begin = 0; begin < n; begin += kPart) {
    const int64_t count = std::min(kPart, n - begin);
    const Real* from = x + begin;
    const Real* g = gradient + begin;
    for (int64_t i = 0; i < count; ++i)
      part.position[i] =
          limited(rectified(from[i], rectifier) * inverse, low - margin, high + margin);
    moving<true>(part, count, steps);
    for (int64_t i = 0; i < count; ++i) {
      const Real s0 = part.slope[i];
      // sum w (p - edge) from the sum about the centre.
      const Real s1 = r * ((part.position[i] - part.centre[i]) * s0 - part.moment[i]);
      const Real m = limited(std::nearbyint(part.position[i]), low, high);
      dx[begin + i] = passes(from[i], rectifier) ? g[i] * (r * s0) : 0;
      part.value[i] = g[i] * (m - r * part.position[i] * s0 + s1);
      part.moment[i] = g[i] * s1;
    }
    by_scale.add(part.value, count);
    by_width.add(part.moment, count);
  }
  return {by_scale.total(), by_width.total()};
}

template <typename Real>
EdgeQuad<Real> quad_of(const Staircase& s, size_t first, size_t last, double slope, double centre) {
  EdgeQuad<Real> out;
  for (size_t i = first; i < last; ++i) {
    const double at = s.edges[i] - centre;
    out.factor[i - first] = static_cast<Real>(std::exp(slope * at));
    out.height[i - first] = static_cast<Real>(s.heights[i]);
    out.position[i - first] = static_cast<Real>(at);
  }
  return out;
}

double centre_of(const Staircase& s, size_t first, size_t last) {
  return (s.edges[first] + s.edges[last - 1]) / 2;
}

template <typename Real>
std::vector<EdgeGroup<Real>> groups_of(const Staircase& s, double slope) {
  std::vector<EdgeGroup<Real>> out;
  for (size_t first = 0; first < s.edges.size();) {
    size_t last = first + 1;
    while (last < s.edges.size() &&
           slope * (s.edges[last] - s.edges[first]) <= 2 * Limits<Real>::spread)
      ++last;
    const double centre = centre_of(s, first, last);
    out.push_back({static_cast<Real>(centre), {}});
    for (; first < last; first += std::min<size_t>(4, last - first))
      out.back().quads.push_back(quad_of<Real>(s, first, std::min(first + 4, last), slope, centre));
  }
  return out;
}

// The window of edges first..last - 1; those outside count as 0 or 1, or as held by the clamp.
template <typename Real>
EdgeWindow<Real> window_of(const Staircase& s, size_t first, size_t last, double slope,
                           double clamp) {
  const double held = clamp > 0 ? 1 / (1 + std::exp(clamp)) : 0;
  const double centre = centre_of(s, first, last);
  double base = s.lowest, slope_base = 0;
  for (size_t i = 0; i < s.edges.size(); ++i) {
    if (i >= first && i < last) continue;
    base += s.heights[i] * (i < first ? 1 - held : held);
    slope_base += s.heights[i] * held * (1 - held);
  }
  return {0, static_cast<Real>(base), static_cast<Real>(slope_base), static_cast<Real>(centre),
          quad_of<Real>(s, first, last, slope, centre)};
}

// Windows of up to four edges such that at each position all edges outside its window are out of
// reach; none when edges lie too densely for that.
template <typename Real>
std::vector<EdgeWindow<Real>> windows_of(const Staircase& s, double slope, double clamp) {
  const double reach = Limits<Real>::reach / slope, spread = 2 * Limits<Real>::spread / slope;
  const size_t count = s.edges.size();
  std::vector<EdgeWindow<Real>> out;
  Real from = 0;
  for (size_t first = 0;;) {
    size_t last = std::min(first + 4, count);
    while (s.edges[last - 1] - s.edges[first] > spread) --last;
    out.push_back(window_of<Real>(s, first, last, slope, clamp));
    out.back().from = from;
    if (last == count) return out;
    // The next one leaves out what has been passed by when the first edge behind this one comes
    // into reach.
    size_t next = first;
    while (next < last && s.edges[next] + reach <= s.edges[last] - reach) ++next;
    if (next == first) return {};
    from = static_cast<Real>((s.edges[next - 1] + s.edges[last]) / 2);
    first = next;
  }
}

size_t quad_count(size_t edges) { return (edges + 3) / 4; }

}  // namespace

template <typename Real>
SoftSteps<Real> soft_steps(const Staircase& staircase, double slope, double clamp) {
  SoftSteps<Real> out;
  out.slope = static_cast<Real>(slope);
  out.base = static_cast<Real>(staircase.lowest);
  out.most = static_cast<Real>(std::exp(clamp > 0 ? clamp : Limits<Real>::most));
  if (clamp > 0) out.least = static_cast<Real>(std::exp(-clamp));
  const double margin = clamp > 0 ? INFINITY : Limits<Real>::most / slope;
  out.first_end = static_cast<Real>(staircase.edges.front() - margin);
  out.last_end = static_cast<Real>(staircase.edges.back() + margin);
  out.groups = groups_of<Real>(staircase, slope);
  size_t quads = 0;
  for (const EdgeGroup<Real>& group : out.groups) quads += group.quads.size();
  // To choose among windows costs about half a quad each.
  std::vector<EdgeWindow<Real>> windows = windows_of<Real>(staircase, slope, clamp);
  if (!windows.empty() && windows.size() / 2 + 2 < quads + out.groups.size())
    out.windows = std::move(windows);
  return out;
}

template <typename Real>
SoftSteps<Real> soft_rounding(int64_t low, int64_t high, double slope) {
  const auto half = static_cast<int64_t>(std::ceil(Limits<Real>::reach / slope));
  const auto width = static_cast<int64_t>(4 * quad_count(static_cast<size_t>(2 * half)));
  const int64_t last = std::min(high, low + width);
  const Staircase near = Staircase::integers(low, last);
  const double centre = centre_of(near, 0, near.edges.size());
  SoftSteps<Real> out;
  out.slope = static_cast<Real>(slope);
  out.base = static_cast<Real>(low);
  out.most = static_cast<Real>(std::exp(Limits<Real>::most));
  out.moves = true;
  // At the integer m the window has as many edges below as above.
  out.half_width = static_cast<Real>(low + width / 2);
  out.last_move = static_cast<Real>(high - last);
  out.groups = {{static_cast<Real>(centre), {}}};
  for (size_t first = 0; first < near.edges.size(); first += 4)
    out.groups[0].quads.push_back(
        quad_of<Real>(near, first, std::min(first + 4, near.edges.size()), slope, centre));
  return out;
}

template SoftSteps<float> soft_steps<float>(const Staircase&, double, double);
template SoftSteps<double> soft_steps<double>(const Staircase&, double, double);
template SoftSteps<float> soft_rounding<float>(int64_t, int64_t, double);
template SoftSteps<double> soft_rounding<double>(int64_t, int64_t, double);

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
StepSums soft_steps_backward(const float* x, const float* gradient, float* dx, int64_t n,
                             const SoftSteps<float>& steps, const SoftSteps<float>& slopes,
                             float rate, StepScales<float> scales, Rectifier rectifier) {
  return backward(x, gradient, dx, n, steps, slopes, rate, scales, rectifier);
}

StepSums soft_steps_backward(const double* x, const double* gradient, double* dx, int64_t n,
                             const SoftSteps<double>& steps, const SoftSteps<double>& slopes,
                             double rate, StepScales<double> scales, Rectifier rectifier) {
  return backward(x, gradient, dx, n, steps, slopes, rate, scales, rectifier);
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
                               const SoftSteps<float>& steps, float inverse, float low, float high,
                               Rectifier rectifier) {
  return dense_backward(x, gradient, dx, n, steps, inverse, low, high, rectifier);
}

StepSums semi_relaxed_backward(const double* x, const double* gradient, double* dx, int64_t n,
                               const SoftSteps<double>& steps, double inverse, double low,
                               double high, Rectifier rectifier) {
  return dense_backward(x, gradient, dx, n, steps, inverse, low, high, rectifier);
}

}  // namespace quantbench::kernels
