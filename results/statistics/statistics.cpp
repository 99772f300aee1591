#include "results/statistics/statistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "base/error.h"
#include "base/random.h"

namespace quantbench {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostExact = 40;
constexpr int kFlips = 200000;

// Every sum of `values` with every choice of signs, sorted.
std::vector<double> signed_sums(const std::vector<double>& values) {
  std::vector<double> sums{0};
  for (double value : values) {
    std::vector<double> next;
    next.reserve(2 * sums.size());
    // Two sorted halves: merging them keeps the order without sorting 2^n sums.
    std::vector<double> up(sums), down(sums);
    for (double& s : up) s += std::abs(value);
    for (double& s : down) s -= std::abs(value);
    std::merge(down.begin(), down.end(), up.begin(), up.end(), std::back_inserter(next));
    sums = std::move(next);
  }
  return sums;
}

// How many pairs (l, r) have l + r >= bound, of sorted sums.
double pairs_at_least(const std::vector<double>& left, const std::vector<double>& right,
                      double bound) {
  double count = 0;
  auto r = right.end();
  for (double l : left) {
    while (r != right.begin() && l + *(r - 1) >= bound) --r;
    count += static_cast<double>(right.end() - r);
  }
  return count;
}

double random_flips_p(const std::vector<double>& differences, double bound) {
  const RandomStream random(0, "sign flips");
  int64_t extreme = 1;
  for (int flip = 0; flip < kFlips; ++flip) {
    double sum = 0;
    uint64_t bits = 0;
    for (size_t i = 0; i < differences.size(); ++i, bits >>= 1) {
      if (i % 64 == 0) bits = random.child(static_cast<uint64_t>(flip)).bits(i / 64);
      sum += bits & 1 ? differences[i] : -differences[i];
    }
    extreme += std::abs(sum) >= bound;
  }
  return static_cast<double>(extreme) / (kFlips + 1);
}

}  // namespace

Summary summarize(const std::vector<double>& values) {
  Summary out{static_cast<int64_t>(values.size()), kNan, kNan};
  if (values.empty()) return out;
  const auto n = static_cast<double>(values.size());
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return out;
  double squares = 0;
  for (double value : values) squares += (value - out.mean) * (value - out.mean);
  out.std = std::sqrt(squares / (n - 1));
  return out;
}

double sign_flip_p(const std::vector<double>& differences) {
  if (differences.empty()) return 1;
  double sum = 0, size = 0;
  for (double d : differences) {
    sum += d;
    size += std::abs(d);
  }
  // Sums that are equal on paper differ by rounding.
  const double bound = std::abs(sum) - 1e-12 * size;
  if (bound <= 0) return 1;
  if (differences.size() > kMostExact) return random_flips_p(differences, bound);
  const auto middle = differences.begin() + static_cast<int64_t>(differences.size() / 2);
  const std::vector<double> left = signed_sums({differences.begin(), middle}),
                            right = signed_sums({middle, differences.end()});
  // The distribution is symmetric: both tails weigh the same.
  const double extreme = 2 * pairs_at_least(left, right, bound);
  return std::min(1.0, extreme / std::exp2(static_cast<double>(differences.size())));
}

int64_t pairs_needed(double threshold) {
  require(threshold > 0 && threshold < 1, "A p-value's threshold lies between 0 and 1, not at {}.",
          threshold);
  int64_t n = 1;
  while (std::exp2(1.0 - static_cast<double>(n)) > threshold * (1 + 1e-12)) ++n;
  return n;
}

double mcnemar_p(int64_t only_a, int64_t only_b) {
  require(only_a >= 0 && only_b >= 0, "McNemar's test counts samples: {} and {} are no counts.",
          only_a, only_b);
  if (only_a == only_b) return 1;
  const auto n = static_cast<double>(only_a + only_b);
  const boost::math::binomial_distribution<double> fair(n, 0.5);
  return std::min(1.0, 2 * boost::math::cdf(fair, static_cast<double>(std::min(only_a, only_b))));
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> out(p.size());
  double least = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    least = std::max(least, static_cast<double>(p.size() - rank) * p[order[rank]]);
    out[order[rank]] = std::min(1.0, least);
  }
  return out;
}

Interval bootstrap_mean(const std::vector<double>& values, double confidence, int replicates,
                        uint64_t seed) {
  require(!values.empty(), "There is nothing to bootstrap.");
  require(confidence > 0 && confidence < 1, "A confidence lies between 0 and 1, not at {}.",
          confidence);
  require(replicates > 0, "A bootstrap takes at least one replicate, not {}.", replicates);
  // Answers take few distinct values: how often each is drawn is multinomial, which costs a few
  // binomial draws a replicate instead of one draw a sample.
  std::vector<double> sorted(values);
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::pair<double, int64_t>> counts;
  for (double value : sorted) {
    if (counts.empty() || counts.back().first != value) counts.emplace_back(value, 0);
    ++counts.back().second;
  }
  std::mt19937_64 engine(RandomStream(seed, "bootstrap").seed());
  std::vector<double> means(static_cast<size_t>(replicates));
  for (double& mean : means) {
    auto left = static_cast<int64_t>(values.size()), draws = left;
    double sum = 0;
    for (const auto& [value, count] : counts) {
      if (draws == 0) break;
      const double share = std::min(1.0, static_cast<double>(count) / static_cast<double>(left));
      const int64_t drawn =
          count == left ? draws : std::binomial_distribution<int64_t>(draws, share)(engine);
      sum += static_cast<double>(drawn) * value;
      draws -= drawn;
      left -= count;
    }
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  const double tail = (1 - confidence) / 2, last = static_cast<double>(replicates - 1);
  return {means[static_cast<size_t>(std::floor(tail * last))],
          means[static_cast<size_t>(std::ceil((1 - tail) * last))]};
}

Interval mean_interval(const Summary& s, double confidence) {
  require(confidence > 0 && confidence < 1, "A confidence lies between 0 and 1, not at {}.",
          confidence);
  if (s.n < 2) return {kNan, kNan};
  const boost::math::students_t_distribution<double> t(static_cast<double>(s.n - 1));
  const double reach =
      boost::math::quantile(t, 0.5 + confidence / 2) * s.std / std::sqrt(static_cast<double>(s.n));
  return {s.mean - reach, s.mean + reach};
}

RatioSummary mean_ratio(const std::vector<double>& ratios, double confidence) {
  std::vector<double> logs;
  for (double ratio : ratios) {
    require(ratio > 0 && std::isfinite(ratio), "{} is no ratio of two sizes or times.", ratio);
    logs.push_back(std::log(ratio));
  }
  const Summary s = summarize(logs);
  const Interval around = mean_interval(s, confidence);
  return {std::exp(s.mean), {std::exp(around.low), std::exp(around.high)}};
}

}  // namespace quantbench
