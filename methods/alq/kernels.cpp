#include "methods/alq/kernels.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/vector_units.h"

namespace quantbench::alq::kernels {
namespace {

constexpr int kLanes = 16;
constexpr double kSmallestError = 1e-6;  // relative, squared: where sketching stops

QUANTBENCH_CLONES
void update_moments(Moments moments, const float* __restrict gradient, int64_t n) {
  float* __restrict first = moments.first;
  float* __restrict second = moments.second;
  float* __restrict largest = moments.largest;
  constexpr auto kOld1 = static_cast<float>(Amsgrad::kBeta1);
  constexpr auto kNew1 = static_cast<float>(1 - Amsgrad::kBeta1);
  constexpr auto kOld2 = static_cast<float>(Amsgrad::kBeta2);
  constexpr auto kNew2 = static_cast<float>(1 - Amsgrad::kBeta2);
  for (int64_t i = 0; i < n; ++i) {
    const float g = gradient[i];
    const float v = kOld2 * second[i] + kNew2 * (g * g);
    first[i] = kOld1 * first[i] + kNew1 * g;
    second[i] = v;
    largest[i] = v > largest[i] ? v : largest[i];
  }
}

// The minimum of the model, weight by weight, and its curvature there.
QUANTBENCH_CLONES
void targets(const float* __restrict start, Moments moments, Amsgrad amsgrad, int64_t n,
             float* __restrict target, float* __restrict curvature) {
  const float* __restrict first = moments.first;
  const float* __restrict largest = moments.largest;
  for (int64_t i = 0; i < n; ++i) {
    const float h = (std::sqrt(largest[i]) + Amsgrad::kEpsilon) * amsgrad.curvature;
    curvature[i] = h;
    target[i] = start[i] - amsgrad.rate * first[i] / h;
  }
}

// sum_j of +-x_j by bit `base` of the patterns.
QUANTBENCH_CLONES
double signed_sum(const uint8_t* __restrict patterns, const float* __restrict x, int64_t n,
                  int base) {
  double lanes[kLanes] = {};
  const int64_t whole = n - n % kLanes;
  const auto bit = static_cast<uint8_t>(1u << base);
  for (int64_t j = 0; j < whole; j += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const float value = x[j + lane];
      lanes[lane] += static_cast<double>((patterns[j + lane] & bit) != 0 ? value : -value);
    }
  for (int64_t j = whole; j < n; ++j)
    lanes[j - whole] += static_cast<double>((patterns[j] & bit) != 0 ? x[j] : -x[j]);
  return std::accumulate(lanes, lanes + kLanes, 0.0);
}

PatternSums weighted_sums(const uint8_t* patterns, const float* target, const float* curvature,
                          int64_t n, int bases) {
  PatternSums sums(bases);
  for (int64_t j = 0; j < n; ++j)
    sums.add(patterns[j], static_cast<double>(curvature[j]), static_cast<double>(target[j]));
  return sums;
}

// Equal bases become one, in place.
PatternSums merge_twins(const Layer& layer, int64_t group, const float* target,
                        const float* curvature) {
  const uint8_t* patterns = layer.patterns + group * layer.length;
  for (;;) {
    const int bases = layer.counts[group];
    PatternSums sums = weighted_sums(patterns, target, curvature, layer.length, bases);
    const Twins twins = find_twins(sums, bases);
    if (twins.first < 0) return sums;
    float* a = layer.coordinates + group * layer.width;
    a[twins.first] += twins.opposite ? -a[twins.second] : a[twins.second];
    drop_base(layer, group, twins.second);
  }
}

// Turns the bases with a negative coordinate around.
void make_positive(const Layer& layer, int64_t group) {
  float* a = layer.coordinates + group * layer.width;
  unsigned turned = 0;
  for (int i = 0; i < layer.counts[group]; ++i)
    if (a[i] < 0) {
      a[i] = -a[i];
      turned |= 1u << i;
    }
  if (turned == 0) return;
  uint8_t* patterns = layer.patterns + group * layer.length;
  for (int64_t j = 0; j < layer.length; ++j) patterns[j] ^= static_cast<uint8_t>(turned);
}

}  // namespace

Amsgrad::Amsgrad(double learning_rate, int64_t step) {
  const auto t = static_cast<double>(step);
  rate = static_cast<float>(learning_rate / (1 - std::pow(kBeta1, t)));
  curvature = static_cast<float>(1 / std::sqrt(1 - std::pow(kBeta2, t)));
}

Sketch sketch(const float* weight, int64_t n, int most, uint8_t* patterns) {
  Sketch out;
  std::fill_n(patterns, n, uint8_t{0});
  std::vector<double> residual(weight, weight + n);
  const auto energy = [&] {
    return std::inner_product(residual.begin(), residual.end(), residual.begin(), 0.0);
  };
  const double whole = energy();
  while (out.bases < std::min<int64_t>(most, n) && energy() > kSmallestError * whole) {
    const auto bit = static_cast<uint8_t>(1u << out.bases);
    PatternSums sums(out.bases + 1);
    for (int64_t j = 0; j < n; ++j) {
      if (residual[static_cast<size_t>(j)] >= 0) patterns[j] |= bit;
      sums.add(patterns[j], 1, static_cast<double>(weight[j]));
    }
    const Fit fit = least_squares(sums, out.bases + 1);
    if (!fit.solved) break;
    ++out.bases;
    std::copy_n(fit.coordinates, out.bases, out.coordinates);
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int i = 0; i < out.bases; ++i)
        sum += (patterns[j] >> i) & 1 ? out.coordinates[i] : -out.coordinates[i];
      residual[static_cast<size_t>(j)] = static_cast<double>(weight[j]) - sum;
    }
  }
  // Positive and ascending, without those that became zero.
  std::vector<int> order;
  for (int i = 0; i < out.bases; ++i)
    if (out.coordinates[i] != 0) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    return std::abs(out.coordinates[a]) < std::abs(out.coordinates[b]);
  });
  const Sketch found = out;
  out.bases = static_cast<int>(order.size());
  for (int64_t j = 0; j < n; ++j) {
    unsigned pattern = 0;
    for (int i = 0; i < out.bases; ++i) {
      const int base = order[static_cast<size_t>(i)];
      const bool set = ((patterns[j] >> base) & 1) != 0;
      pattern |= static_cast<unsigned>(set != (found.coordinates[base] < 0)) << i;
    }
    patterns[j] = static_cast<uint8_t>(pattern);
  }
  std::fill_n(out.coordinates, kMostBases, 0.0);
  for (int i = 0; i < out.bases; ++i)
    out.coordinates[i] = std::abs(found.coordinates[order[static_cast<size_t>(i)]]);
  return out;
}

void rebuild(const Layer& layer, int64_t group) {
  float levels[kMostLevels];
  levels_of(layer.coordinates + group * layer.width, layer.counts[group], levels);
  const uint8_t* patterns = layer.patterns + group * layer.length;
  float* weight = layer.weight + group * layer.length;
  for (int64_t j = 0; j < layer.length; ++j) weight[j] = levels[patterns[j]];
}

void basis_step(const Layer& layer, int64_t first, int64_t last, const float* gradient,
                const Amsgrad& amsgrad) {
  const int64_t n = layer.length;
  std::vector<float> target(static_cast<size_t>(n)), curvature(static_cast<size_t>(n));
  for (int64_t group = first; group < last; ++group) {
    const int64_t at = group * n;
    const Moments moments{layer.weights.first + at, layer.weights.second + at,
                          layer.weights.largest + at};
    update_moments(moments, gradient + at, n);
    const float* start = layer.latent != nullptr ? layer.latent : layer.weight;
    targets(start + at, moments, amsgrad, n, target.data(), curvature.data());
    if (layer.latent != nullptr) std::copy_n(target.data(), n, layer.latent + at);
    if (layer.counts[group] == 0) continue;
    const SortedLevels levels(layer.coordinates + group * layer.width, layer.counts[group]);
    uint8_t* patterns = layer.patterns + at;
    for (int64_t j = 0; j < n; ++j)
      patterns[j] = levels.nearest(static_cast<double>(target[static_cast<size_t>(j)]));
    const PatternSums sums = merge_twins(layer, group, target.data(), curvature.data());
    const Fit fit = least_squares(sums, layer.counts[group]);
    // Where the bases depend on each other the coordinates of before still hold.
    if (fit.solved)
      std::transform(fit.coordinates, fit.coordinates + layer.counts[group],
                     layer.coordinates + group * layer.width,
                     [](double a) { return static_cast<float>(a); });
    make_positive(layer, group);
    rebuild(layer, group);
  }
}

void coordinate_step(const Layer& layer, int64_t first, int64_t last, const float* gradient,
                     const Amsgrad& amsgrad, float weight_decay, bool move) {
  const int64_t n = layer.length;
  const Moments& all = layer.weights;
  const int64_t begin = first * n;
  update_moments({all.first + begin, all.second + begin, all.largest + begin}, gradient + begin,
                 (last - first) * n);
  for (int64_t group = first; group < last; ++group) {
    const int bases = layer.counts[group];
    const int64_t at = group * layer.width;
    float* a = layer.coordinates + at;
    const Moments moments{layer.coordinate_moments.first + at, layer.coordinate_moments.second + at,
                          layer.coordinate_moments.largest + at};
    float slope[kMostBases];
    for (int i = 0; i < bases; ++i)
      slope[i] =
          static_cast<float>(signed_sum(layer.patterns + group * n, gradient + group * n, n, i)) +
          weight_decay * a[i];
    update_moments(moments, slope, bases);
    if (!move) continue;
    float to[kMostBases], curvature[kMostBases];
    targets(a, moments, amsgrad, bases, to, curvature);
    std::copy_n(to, bases, a);
    rebuild(layer, group);
  }
}

void refresh_coordinate_moments(const Layer& layer, int64_t group) {
  const int64_t n = layer.length, at = group * n;
  const auto sum = [n](const float* x) {
    return static_cast<float>(std::accumulate(x, x + n, 0.0));
  };
  const float second = sum(layer.weights.second + at), largest = sum(layer.weights.largest + at);
  for (int i = 0; i < layer.counts[group]; ++i) {
    const int64_t slot = group * layer.width + i;
    layer.coordinate_moments.first[slot] =
        static_cast<float>(signed_sum(layer.patterns + at, layer.weights.first + at, n, i));
    layer.coordinate_moments.second[slot] = second;
    layer.coordinate_moments.largest[slot] = largest;
  }
}

void drop_base(const Layer& layer, int64_t group, int base) {
  const int bases = layer.counts[group];
  uint8_t* patterns = layer.patterns + group * layer.length;
  for (int64_t j = 0; j < layer.length; ++j) patterns[j] = without(patterns[j], base);
  const int64_t at = group * layer.width;
  for (float* row : {layer.coordinates, layer.coordinate_moments.first,
                     layer.coordinate_moments.second, layer.coordinate_moments.largest}) {
    std::copy(row + at + base + 1, row + at + bases, row + at + base);
    row[at + bases - 1] = 0;
  }
  layer.counts[group] = static_cast<uint8_t>(bases - 1);
}

double removal_cost(double coordinate, double first, double largest, const Amsgrad& amsgrad) {
  const double slope = static_cast<double>(amsgrad.rate) * first;
  const double curvature = (std::sqrt(largest) + static_cast<double>(Amsgrad::kEpsilon)) *
                           static_cast<double>(amsgrad.curvature);
  return -slope * coordinate + 0.5 * coordinate * coordinate * curvature;
}

}  // namespace quantbench::alq::kernels
