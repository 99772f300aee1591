#include "methods/common/soft_steps.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace quantbench::kernels {
namespace {

// Edges first..last - 1, one or two.
template <typename Real>
EdgePair<Real> pair_of(const Staircase& s, size_t first, size_t last, double slope, double centre) {
  const bool two = last - first > 1;
  const double middle = (s.edges[first] + s.edges[last - 1]) / 2;
  const double p1 = s.edges[first] - centre, p2 = s.edges[last - 1] - centre;
  const double c1 = std::exp(slope * (s.edges[first] - middle)), c2 = two ? 1 / c1 : 0;
  const double h1 = s.heights[first], h2 = two ? s.heights[last - 1] : 0;
  const auto real = [](double x) { return static_cast<Real>(x); };
  EdgePair<Real> out;
  out.factor = real(std::exp(slope * (middle - centre)));
  out.d1 = real(c1 + c2);
  out.d2 = real(c1 * c2);
  out.n0 = real(h1 + h2);
  out.n1 = real(h1 * c2 + h2 * c1);
  out.s0 = real(h1 * c1 + h2 * c2);
  out.s1 = real(2 * c1 * c2 * (h1 + h2));
  out.s2 = real(c1 * c2 * (h1 * c2 + h2 * c1));
  out.m0 = real(h1 * c1 * p1 + h2 * c2 * p2);
  out.m1 = real(2 * c1 * c2 * (h1 * p1 + h2 * p2));
  out.m2 = real(c1 * c2 * (h1 * c2 * p1 + h2 * c1 * p2));
  return out;
}

template <typename Real>
EdgeGroup<Real> group_of(const Staircase& s, size_t first, size_t last, double slope) {
  const double centre = (s.edges[first] + s.edges[last - 1]) / 2;
  EdgeGroup<Real> out{static_cast<Real>(centre), {}};
  while (first < last) {
    const bool two =
        first + 1 < last && slope * (s.edges[first + 1] - s.edges[first]) <= SoftLimits<Real>::pair;
    out.pairs.push_back(pair_of<Real>(s, first, first + (two ? 2 : 1), slope, centre));
    first += two ? 2 : 1;
  }
  return out;
}

template <typename Real>
std::vector<EdgeGroup<Real>> groups_of(const Staircase& s, double slope) {
  std::vector<EdgeGroup<Real>> out;
  for (size_t first = 0, last = 0; first < s.edges.size(); first = last) {
    while (last < s.edges.size() &&
           slope * (s.edges[last] - s.edges[first]) <= 2 * SoftLimits<Real>::spread)
      ++last;
    out.push_back(group_of<Real>(s, first, last, slope));
  }
  return out;
}

// None where two edges are within reach of one position.
template <typename Real>
std::vector<NearEdge<Real>> near_edges(const Staircase& s, double slope) {
  std::vector<NearEdge<Real>> out;
  double base = s.lowest;
  for (size_t i = 0; i < s.edges.size(); ++i) {
    const double gap = i == 0 ? INFINITY : s.edges[i] - s.edges[i - 1];
    if (slope * gap < 2 * SoftLimits<Real>::reach) return {};
    const double from = i == 0 ? -INFINITY : s.edges[i] - gap / 2;
    out.push_back({static_cast<Real>(from), static_cast<Real>(s.edges[i]), static_cast<Real>(base),
                   static_cast<Real>(s.heights[i])});
    base += s.heights[i];
  }
  return out;
}

template <typename Real>
std::vector<HeldQuad<Real>> held_quads(const Staircase& s, double slope) {
  std::vector<HeldQuad<Real>> out;
  for (size_t first = 0, last = 0; first < s.edges.size(); first = last) {
    while (last < s.edges.size() && last - first < 4 &&
           slope * (s.edges[last] - s.edges[first]) <= 2 * SoftLimits<Real>::most)
      ++last;
    const double centre = (s.edges[first] + s.edges[last - 1]) / 2;
    out.emplace_back();
    out.back().centre = static_cast<Real>(centre);
    for (size_t i = first; i < last; ++i) {
      out.back().factor[i - first] = static_cast<Real>(std::exp(slope * (s.edges[i] - centre)));
      out.back().height[i - first] = static_cast<Real>(s.heights[i]);
    }
  }
  return out;
}

// None where two edges are so near that both need their sigmoids.
std::optional<IntervalTable> near_table(const Staircase& s, double slope) {
  const size_t count = s.edges.size();
  if (count > static_cast<size_t>(IntervalTable::kMost)) return std::nullopt;
  IntervalTable out{};
  std::fill(std::begin(out.from), std::end(out.from), std::numeric_limits<float>::infinity());
  double base = s.lowest;
  bool tails_matter = false;
  for (size_t i = 0; i < count; ++i) {
    const double gap = i == 0 ? INFINITY : s.edges[i] - s.edges[i - 1];
    if (slope * gap < 2 * SoftLimits<float>::two_terms) return std::nullopt;
    const auto put = [&](int number, double x) { out.numbers[number][i] = static_cast<float>(x); };
    double tails[2][2] = {};  // [above, below][term]
    for (size_t j = 0; j < count; ++j) {
      const double u = slope * std::abs(s.edges[i] - s.edges[j]);
      // What is far beyond reach may not become a denormal number.
      for (int term = 0; term < 2; ++term)
        if (j != i && u < SoftLimits<float>::spread)
          tails[j < i ? 1 : 0][term] += s.heights[j] * std::exp(-(term + 1) * u);
    }
    out.from[i] = static_cast<float>(i == 0 ? -INFINITY : s.edges[i] - gap / 2);
    put(NearNumbers::Edge, s.edges[i]);
    put(NearNumbers::Base, base);
    put(NearNumbers::Height, s.heights[i]);
    put(NearNumbers::Above, tails[0][0]);
    put(NearNumbers::Above2, tails[0][1]);
    put(NearNumbers::Below, tails[1][0]);
    put(NearNumbers::Below2, tails[1][1]);
    base += s.heights[i];
    tails_matter = tails_matter || slope * gap < 2 * SoftLimits<float>::reach;
  }
  if (!tails_matter) out.used = NearNumbers::Above;
  return out;
}

constexpr size_t kMany = 8;  // edges from which on a table pays beside loops over what is near

// The fastest of the tables that are exact enough, if one is faster than loops over the edges.
void add_table(const Staircase& s, double slope, Curve curve, SoftSteps<float>& to) {
  // Two edges cost no more than a table, and far from them they are exact where it is not.
  constexpr size_t kFew = 2;
  constexpr double kReach = SoftLimits<float>::reach;
  if (s.edges.size() <= kFew) return;
  to.curve = curve_table(s, slope, kReach, curve, 32);
  if (to.curve || s.edges.size() < kMany) return;
  to.near_table = near_table(s, slope);
  if (!to.near_table) to.curve = curve_table(s, slope, kReach, curve, 64);
}

}  // namespace

template <typename Real>
SoftSteps<Real> soft_steps(const Staircase& staircase, double slope, Curve curve, double clamp) {
  SoftSteps<Real> out;
  out.slope = static_cast<Real>(slope);
  out.base = static_cast<Real>(staircase.lowest);
  const double margin = clamp > 0 ? INFINITY : SoftLimits<Real>::most / slope;
  out.first_end = static_cast<Real>(staircase.edges.front() - margin);
  out.last_end = static_cast<Real>(staircase.edges.back() + margin);
  if (clamp > 0) {
    out.held = held_quads<Real>(staircase, slope);
    out.least = static_cast<Real>(std::exp(-clamp));
    out.most = static_cast<Real>(std::exp(clamp));
    return out;
  }
  if constexpr (std::is_same_v<Real, float>) {
    if (looks_up_fast()) add_table(staircase, slope, curve, out);
    if (out.near_table || out.curve) return out;
  }
  // To choose an edge costs about as much as to add it up.
  if (staircase.edges.size() > 1) out.near = near_edges<Real>(staircase, slope);
  if (out.near.empty()) out.groups = groups_of<Real>(staircase, slope);
  return out;
}

template <typename Real>
SoftRounding<Real> soft_rounding(int64_t low, int64_t high, double slope) {
  // Edges on either side of the nearest integer.
  const auto steps = [slope](double reach) { return std::llround(std::ceil(reach / slope)); };
  const int64_t half =
      std::max<int64_t>({1, steps(SoftLimits<Real>::tail), steps(SoftLimits<Real>::end) - 1});
  const int64_t last = std::min(high, low + 2 * half);
  const Staircase near = Staircase::integers(low, last);
  SoftRounding<Real> out;
  out.slope = static_cast<Real>(slope);
  out.window = group_of<Real>(near, 0, near.edges.size(), slope);
  out.half_width = static_cast<Real>(low + half);
  out.last_move = static_cast<Real>(high - last);
  const double next = static_cast<double>(half) + 0.5, q = std::exp(-slope);
  const double one = std::exp(-slope * next), all = one / (1 - q);
  out.one = {static_cast<Real>(one), static_cast<Real>(one * next)};
  out.all = {static_cast<Real>(all), static_cast<Real>(all * (next + q / (1 - q)))};
  if constexpr (std::is_same_v<Real, float>) {
    const Staircase whole = Staircase::integers(low, high);
    if (whole.edges.size() >= kMany && looks_up_fast()) {
      constexpr double kReach = SoftLimits<float>::most;
      out.slope_table = curve_table(whole, slope, kReach, Curve::Slope, 32);
      if (out.slope_table) out.moment_table = curve_table(whole, slope, kReach, Curve::Moment, 32);
    }
  }
  return out;
}

template SoftSteps<float> soft_steps<float>(const Staircase&, double, Curve, double);
template SoftSteps<double> soft_steps<double>(const Staircase&, double, Curve, double);
template SoftRounding<float> soft_rounding<float>(int64_t, int64_t, double);
template SoftRounding<double> soft_rounding<double>(int64_t, int64_t, double);

}  // namespace quantbench::kernels
