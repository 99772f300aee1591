#include "methods/srq_dropbits/category_kernels.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/error.h"
#include "base/vector_units.h"
#include "methods/common/fast_exp.h"
#include "methods/common/lane_sum.h"

namespace quantbench::srq::kernels {
namespace {

using quantbench::kernels::fast_exp;
using quantbench::kernels::fast_log;
using quantbench::kernels::LaneSum;

constexpr int64_t kPart = 128;       // elements at a time, each with a window of points
constexpr size_t kMostMiddles = 32;  // beyond these a look at the window is faster

template <typename Real>
constexpr double kReach = std::is_same_v<Real, float> ? 14 : 34;  // of |u|
template <typename Real>
constexpr Real kExponent = std::is_same_v<Real, float> ? 40 : 300;

template <typename Real>
QUANTBENCH_INLINE Real limited(Real x, Real low, Real high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

QUANTBENCH_INLINE uint32_t mixed(uint32_t h) {  // the finalizer of MurmurHash3
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16);
}

// 1 / -log U, the exponential of Gumbel noise.
template <typename Real>
QUANTBENCH_INLINE Real gumbel_weight(uint32_t counter, Noise noise) {
  const uint32_t h = mixed(mixed(counter * 0x9e3779b9u + noise.first) ^ noise.second);
  const float u = (static_cast<float>(static_cast<int32_t>(h >> 9)) + 0.5f) * 0x1p-23f;
  return static_cast<Real>(-1.0f / fast_log(u));
}

// What a part needs, a row of kPart numbers for each point of the window.
template <typename Real>
struct Part {
  explicit Part(int64_t window)
      : window(window),
        room(static_cast<size_t>(5 * window * kPart)),
        index(static_cast<size_t>(window * kPart)) {}

  Real* point(int64_t w) { return room.data() + w * kPart; }
  Real* score(int64_t w) { return room.data() + (window + w) * kPart; }
  Real* by_position(int64_t w) { return room.data() + (2 * window + w) * kPart; }
  Real* by_slope(int64_t w) { return room.data() + (3 * window + w) * kPart; }
  Real* choice(int64_t w) { return room.data() + (4 * window + w) * kPart; }
  int32_t* place(int64_t w) { return index.data() + w * kPart; }

  int64_t window;
  Real position[kPart], nearest[kPart], best[kPart], best_point[kPart], total[kPart], mean[kPart];
  std::vector<Real> room;
  std::vector<int32_t> index;
};

template <typename Real>
QUANTBENCH_INLINE void place_elements(const Real* x, int64_t count, const Categories<Real>& c,
                                      Real inverse, Rectifier rectifier, Part<Real>& part) {
  // Beyond the outer points' reach nothing changes any more.
  const Real margin = static_cast<Real>(kReach<Real>) / c.slope + 1;
  const Real low = c.points.front() - margin, high = c.points.back() + margin;
  for (int64_t i = 0; i < count; ++i) {
    const Real r =
        limited(x[i], static_cast<Real>(rectifier.low), static_cast<Real>(rectifier.high));
    part.position[i] = limited(r * inverse, low, high);
    part.nearest[i] = limited(std::nearbyint(part.position[i]), c.low, c.high);
  }
  for (int64_t i = 0; i < count; ++i) {
    // NaN goes with the lowest point.
    const auto m = static_cast<int64_t>(std::isnan(part.nearest[i]) ? 0 : part.nearest[i] - c.low);
    const int32_t first = c.first[static_cast<size_t>(m)];
    for (int64_t w = 0; w < part.window; ++w) {
      const int32_t at = first + static_cast<int32_t>(w);
      part.place(w)[i] = at;
      part.point(w)[i] = c.points[static_cast<size_t>(at)];
      part.score(w)[i] = c.weights[static_cast<size_t>(at)];
    }
  }
}

// score = z pi e^u; and the derivatives of log pi. The point is chosen by cells of one width, the
// outer ones too: else an outer point, whose cell has no end, would win over a nearer one.
template <typename Real>
QUANTBENCH_INLINE void score(Part<Real>& part, int64_t w, int64_t count, int64_t begin,
                             const Categories<Real>& c, Noise noise) {
  const Real r = c.slope, q = fast_exp(-std::min<Real>(r, kExponent<Real>));
  const Real inner = c.open ? 1 - q : 1, inner_by_slope = c.open ? q / (1 - q) : 0;
  const Real open_low = c.open ? c.low : -INFINITY, open_high = c.open ? c.high : INFINITY;
  const Real half = static_cast<Real>(0.5), reach = c.reach;
  const Real* point = part.point(w);
  Real *to = part.score(w), *by_position = part.by_position(w), *by_slope = part.by_slope(w);
  Real* choice = part.choice(w);
  for (int64_t i = 0; i < count; ++i) {
    const Real p = part.position[i], n = point[i];
    const Real a = fast_exp(limited(r * (p - n - half), -kExponent<Real>, kExponent<Real>));
    const Real both = 1 / ((1 + a) * (a + q));
    const bool lowest = n <= open_low, highest = n >= open_high;
    // F at the upper and at the lower end of the cell.
    const Real upper = highest ? 1 : (a + q) * both;
    const Real lower = lowest ? 0 : q * (1 + a) * both;
    const Real above = a * (1 + a) * both;  // 1 - F at the lower end
    const Real pi = lowest ? upper : highest ? above : a * both * inner;
    const bool outer = lowest | highest;
    const bool far = std::abs(n - part.nearest[i]) > reach;
    choice[i] = far ? 0 : to[i] * a * both;
    to[i] = far ? 0 : to[i] * pi;
    by_position[i] = r * (upper + lower - 1);
    by_slope[i] =
        (n + half - p) * (1 - upper) - (n - half - p) * lower + (outer ? 0 : inner_by_slope);
  }
  if (!c.sampled) return;
  const auto points = static_cast<uint32_t>(c.high - c.low + 1);
  for (int64_t i = 0; i < count; ++i) {
    const auto of_point = static_cast<uint32_t>(static_cast<int32_t>(point[i] - c.low));
    to[i] *= gumbel_weight<Real>(static_cast<uint32_t>(begin + i) * points + of_point, noise);
    choice[i] = to[i];
  }
}

// Turns scores into q, not yet divided by their total.
template <typename Real>
QUANTBENCH_INLINE void normalise(Part<Real>& part, int64_t count, const Categories<Real>& c) {
  constexpr Real kLeast = static_cast<Real>(1e-30);
  Real most[kPart];
  for (int64_t i = 0; i < count; ++i) {
    most[i] = -1;
    part.best[i] = -1;
    part.best_point[i] = 0;
    part.total[i] = 0;
    part.mean[i] = 0;
  }
  for (int64_t w = 0; w < part.window; ++w) {
    const Real *from = part.score(w), *choice = part.choice(w), *point = part.point(w);
    for (int64_t i = 0; i < count; ++i) {
      const bool more = choice[i] > most[i];
      most[i] = more ? choice[i] : most[i];
      part.best[i] = more ? from[i] : part.best[i];
      part.best_point[i] = more ? point[i] : part.best_point[i];
    }
  }
  const Real power = 1 / c.temperature;
  for (int64_t w = 0; w < part.window; ++w) {
    Real* q = part.score(w);
    const Real* point = part.point(w);
    for (int64_t i = 0; i < count; ++i)
      q[i] = q[i] / (part.best[i] > kLeast ? part.best[i] : kLeast);
    if (power != 1)
      for (int64_t i = 0; i < count; ++i) {
        const Real least = q[i] > kLeast ? q[i] : kLeast;
        const Real raised =
            fast_exp(limited(fast_log(least) * power, -2 * kExponent<Real>, Real{0}));
        q[i] = q[i] > 0 ? raised : 0;
      }
    for (int64_t i = 0; i < count; ++i) {
      part.total[i] += q[i];
      part.mean[i] += q[i] * point[i];
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    part.total[i] = 1 / part.total[i];
    part.mean[i] *= part.total[i];
  }
}

template <typename Real>
QUANTBENCH_INLINE bool takes_nearest(const Categories<Real>& c) {
  return !c.middles.empty() && !c.sampled;
}

// best_point by distance; midway between two it is the lower one.
template <typename Real>
QUANTBENCH_INLINE void take_nearest(Part<Real>& part, int64_t count, const Categories<Real>& c) {
  const Real lowest = c.points.front();
  for (int64_t i = 0; i < count; ++i) part.best_point[i] = lowest;
  for (size_t k = 0; k < c.middles.size(); ++k) {
    const Real middle = c.middles[k], point = c.points[k + 1];
    for (int64_t i = 0; i < count; ++i)
      part.best_point[i] = part.position[i] > middle ? point : part.best_point[i];
  }
}

template <typename Real>
QUANTBENCH_INLINE void prepare(const Real* x, int64_t count, int64_t begin,
                               const Categories<Real>& c, Real inverse, Rectifier rectifier,
                               Noise noise, Part<Real>& part) {
  place_elements(x, count, c, inverse, rectifier, part);
  for (int64_t w = 0; w < part.window; ++w) score(part, w, count, begin, c, noise);
  normalise(part, count, c);
  if (takes_nearest(c)) take_nearest(part, count, c);
}

template <typename Real>
QUANTBENCH_INLINE Real value_of(const Part<Real>& part, int64_t i, const Categories<Real>& c) {
  const Real value = c.hard ? part.best_point[i] : part.mean[i];
  return std::isnan(part.position[i]) ? part.position[i] : value;
}

template <typename Real>
QUANTBENCH_INLINE void values(const Real* x, Real* to, int64_t n, const Categories<Real>& c,
                              Real inverse, Rectifier rectifier, Noise noise) {
  Part<Real> part(c.window);
  for (int64_t begin = 0; begin < n; begin += kPart) {
    const int64_t count = std::min(kPart, n - begin);
    if (c.hard && takes_nearest(c)) {
      for (int64_t i = 0; i < count; ++i)
        part.position[i] = limited(x[begin + i], static_cast<Real>(rectifier.low),
                                   static_cast<Real>(rectifier.high)) *
                           inverse;
      take_nearest(part, count, c);
    } else {
      prepare(x + begin, count, begin, c, inverse, rectifier, noise, part);
    }
    for (int64_t i = 0; i < count; ++i) to[begin + i] = value_of(part, i, c);
  }
}

template <typename Real>
QUANTBENCH_INLINE CategorySums backward(const Real* x, const Real* gradient, Real* dx, int64_t n,
                                        const Categories<Real>& c, Real inverse,
                                        Rectifier rectifier, Noise noise, double* by_weight) {
  Part<Real> part(c.window);
  Real chosen[kPart], by_position[kPart], by_slope[kPart], value[kPart];
  LaneSum by_value, by_place, by_width;
  const Real power = 1 / c.temperature;
  for (int64_t begin = 0; begin < n; begin += kPart) {
    const int64_t count = std::min(kPart, n - begin);
    const Real *from = x + begin, *g = gradient + begin;
    prepare(from, count, begin, c, inverse, rectifier, noise, part);
    // The mean of what each point's probability is worth.
    for (int64_t i = 0; i < count; ++i) {
      by_position[i] = 0;
      by_slope[i] = 0;
      chosen[i] = part.mean[i];
    }
    if (c.only_chosen)
      for (int64_t i = 0; i < count; ++i) chosen[i] = part.best_point[i] * part.total[i];
    for (int64_t w = 0; w < part.window; ++w) {
      const Real *q = part.score(w), *point = part.point(w);
      const Real *dp = part.by_position(w), *dr = part.by_slope(w);
      for (int64_t i = 0; i < count; ++i) {
        const bool counts = !c.only_chosen | (point[i] == part.best_point[i]);
        const Real share = q[i] * part.total[i] * ((counts ? point[i] : 0) - chosen[i]) * power;
        by_position[i] += share * dp[i];
        by_slope[i] += share * dr[i];
      }
      if (by_weight == nullptr) continue;
      for (int64_t i = 0; i < count; ++i) {
        const bool counts = !c.only_chosen | (point[i] == part.best_point[i]);
        const Real share = q[i] * part.total[i] * ((counts ? point[i] : 0) - chosen[i]) * power;
        const auto at = static_cast<size_t>(part.place(w)[i]);
        by_weight[at] += static_cast<double>(g[i] * share / c.weights[at]);
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      const bool open = !(from[i] <= static_cast<Real>(rectifier.low)) &
                        !(from[i] >= static_cast<Real>(rectifier.high));
      dx[begin + i] = open ? g[i] * by_position[i] : 0;
      by_position[i] = g[i] * by_position[i] * part.position[i];
      by_slope[i] = g[i] * by_slope[i];
      value[i] = g[i] * value_of(part, i, c);
    }
    by_value.add(value, count);
    by_place.add(by_position, count);
    by_width.add(by_slope, count);
  }
  return {by_value.total(), by_place.total(), by_width.total()};
}

}  // namespace

template <typename Real>
void set_points(Categories<Real>& c, const std::vector<double>& weights) {
  c.points.clear();
  c.weights.clear();
  for (size_t i = 0; i < weights.size(); ++i)
    if (weights[i] > 0) {
      c.points.push_back(c.low + static_cast<Real>(i));
      c.weights.push_back(static_cast<Real>(weights[i]));
    }
  require(!c.points.empty(), "A grid needs at least one point that is not dropped.");
  const auto count = static_cast<int64_t>(c.points.size());
  std::vector<int64_t> from(weights.size());
  c.window = 1;
  for (size_t i = 0; i < weights.size(); ++i) {
    const Real m = c.low + static_cast<Real>(i);
    const auto above = std::lower_bound(c.points.begin(), c.points.end(), m);
    Real nearest = above == c.points.end() ? INFINITY : *above - m;
    if (above != c.points.begin()) nearest = std::min(nearest, m - *(above - 1));
    const Real far =
        std::min<Real>(nearest + 1 + static_cast<Real>(kReach<Real>) / c.slope, c.reach);
    const auto begin = std::lower_bound(c.points.begin(), c.points.end(), m - far);
    const auto end = std::upper_bound(c.points.begin(), c.points.end(), m + far);
    from[i] = begin - c.points.begin();
    c.window = std::max<int64_t>(c.window, end - begin);
  }
  c.middles.clear();
  const bool all_one =
      std::all_of(c.weights.begin(), c.weights.end(), [](Real z) { return z == 1; });
  if (all_one && c.points.size() <= kMostMiddles)
    for (size_t i = 1; i < c.points.size(); ++i)
      c.middles.push_back((c.points[i - 1] + c.points[i]) / 2);
  c.first.resize(weights.size());
  for (size_t i = 0; i < from.size(); ++i)
    c.first[i] = static_cast<int32_t>(std::min(from[i], count - c.window));
}

template void set_points<float>(Categories<float>&, const std::vector<double>&);
template void set_points<double>(Categories<double>&, const std::vector<double>&);

QUANTBENCH_CLONES
void category_values(const float* x, float* to, int64_t n, const Categories<float>& c,
                     float inverse, Rectifier rectifier, Noise noise) {
  values(x, to, n, c, inverse, rectifier, noise);
}

void category_values(const double* x, double* to, int64_t n, const Categories<double>& c,
                     double inverse, Rectifier rectifier, Noise noise) {
  values(x, to, n, c, inverse, rectifier, noise);
}

QUANTBENCH_CLONES
CategorySums category_backward(const float* x, const float* gradient, float* dx, int64_t n,
                               const Categories<float>& c, float inverse, Rectifier rectifier,
                               Noise noise, double* by_weight) {
  return backward(x, gradient, dx, n, c, inverse, rectifier, noise, by_weight);
}

CategorySums category_backward(const double* x, const double* gradient, double* dx, int64_t n,
                               const Categories<double>& c, double inverse, Rectifier rectifier,
                               Noise noise, double* by_weight) {
  return backward(x, gradient, dx, n, c, inverse, rectifier, noise, by_weight);
}

}  // namespace quantbench::srq::kernels
