#include "methods/quantization_networks/levels.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace quantbench::qn {
namespace {

constexpr int64_t kMostClustered = 4096;

std::vector<double> both_signs(const std::vector<double>& positive) {
  std::vector<double> out;
  for (auto level = positive.rbegin(); level != positive.rend(); ++level) out.push_back(-*level);
  out.push_back(0);
  out.insert(out.end(), positive.begin(), positive.end());
  return out;
}

// Sums of sorted values, so that a cluster of neighbours costs two look-ups.
struct Prefix {
  std::vector<double> sum{0}, square{0};

  explicit Prefix(const std::vector<double>& x) {
    for (double v : x) {
      sum.push_back(sum.back() + v);
      square.push_back(square.back() + v * v);
    }
  }
  double mean(size_t first, size_t last) const {
    return (sum[last] - sum[first]) / static_cast<double>(last - first);
  }
  // Sum of squared distances from their mean of the values first..last - 1.
  double cost(size_t first, size_t last) const {
    if (last <= first) return 0;
    const double s = sum[last] - sum[first];
    return std::max(0.0, square[last] - square[first] - s * s / static_cast<double>(last - first));
  }
};

// One row of the dynamic programme: where the last cluster of the first i values begins. The best
// places ascend with i, so that half of them bound the other half.
void best_rows(const Prefix& prefix, const std::vector<double>& before, std::vector<double>& now,
               std::vector<size_t>& begins, size_t low, size_t high, size_t from, size_t to) {
  if (low > high) return;
  const size_t middle = (low + high) / 2;
  double least = INFINITY;
  size_t at = from;
  for (size_t j = from; j <= std::min(middle, to); ++j) {
    const double cost = before[j] + prefix.cost(j, middle);
    if (cost < least) {
      least = cost;
      at = j;
    }
  }
  now[middle] = least;
  begins[middle] = at;
  if (middle > low) best_rows(prefix, before, now, begins, low, middle - 1, from, at);
  best_rows(prefix, before, now, begins, middle + 1, high, at, to);
}

// The alpha of the least sum of (x - alpha * y)^2, y the levels of x; `otherwise` where all are 0.
double fitted_scale(const Tensor& values, const Start& start, const std::vector<double>& levels,
                    double otherwise) {
  const torch::NoGradGuard no_grad;
  const Tensor x = values.detach().to(torch::kFloat64).flatten();
  const auto table = [&](const std::vector<double>& of) {
    return torch::tensor(of, torch::kFloat64).to(x.device());
  };
  const Tensor y =
      table(levels).index_select(0, torch::bucketize(x * start.beta, table(start.thresholds)));
  const double square = y.dot(y).item<double>();
  const double alpha = square > 0 ? x.dot(y).item<double>() / square : otherwise;
  return alpha > 0 ? alpha : otherwise;
}

}  // namespace

std::vector<double> weight_levels(BitWidth bits, LevelSet set) {
  const int b = bits.bits();
  require(b >= 1 && b <= 8, "A codebook of weights has 1..8 bits here, not {}.", b);
  if (b == 1) return {-1, 1};
  std::vector<double> positive;
  if (set == LevelSet::Powers && b > 2) {
    require(b <= 4, "Powers of two as levels go up to 4 bits, not {}.", b);
    for (int64_t i = 0; i < (int64_t{1} << (b - 1)) - 1; ++i)
      positive.push_back(std::exp2(static_cast<double>(i)));
    return both_signs(positive);
  }
  const int64_t most =
      set == LevelSet::Short && b > 2 ? int64_t{1} << (b - 2) : (int64_t{1} << (b - 1)) - 1;
  for (int64_t i = 1; i <= most; ++i) positive.push_back(static_cast<double>(i));
  return both_signs(positive);
}

std::vector<double> activation_levels(BitWidth bits) {
  require(bits.bits() >= 1 && bits.bits() <= 8, "A codebook of activations has 1..8 bits, not {}.",
          bits.bits());
  std::vector<double> out;
  for (int64_t i = 0; i < bits.levels(); ++i) out.push_back(static_cast<double>(i));
  return out;
}

std::vector<double> cluster_centres(const Tensor& values, int64_t clusters) {
  const torch::NoGradGuard no_grad;
  Tensor sorted = std::get<0>(values.detach().to(torch::kFloat64).cpu().flatten().sort());
  require(sorted.numel() > 0, "Clusters need values.");
  if (sorted.numel() > kMostClustered)
    sorted = sorted.index_select(0, torch::linspace(0, static_cast<double>(sorted.numel() - 1),
                                                    kMostClustered, torch::kFloat64)
                                        .round()
                                        .to(torch::kInt64));
  sorted = sorted.contiguous();
  const std::vector<double> x(sorted.data_ptr<double>(),
                              sorted.data_ptr<double>() + sorted.numel());
  const size_t count = x.size(), k = static_cast<size_t>(clusters);
  const Prefix prefix(x);
  std::vector<double> before(count + 1), now(count + 1);
  std::vector<std::vector<size_t>> begins(k, std::vector<size_t>(count + 1, 0));
  for (size_t i = 0; i <= count; ++i) before[i] = prefix.cost(0, i);
  for (size_t c = 1; c < k; ++c) {
    best_rows(prefix, before, now, begins[c], 0, count, 0, count);
    before.swap(now);
  }
  std::vector<double> centres(k);
  size_t last = count;
  double next = x.back();
  for (size_t c = k; c-- > 0;) {
    const size_t first = c > 0 ? begins[c][last] : 0;
    // A cluster without values stands where its neighbour does.
    centres[c] = last > first ? prefix.mean(first, last) : next;
    next = centres[c];
    last = first;
  }
  return centres;
}

std::vector<double> midpoints(const std::vector<double>& centres) {
  std::vector<double> out;
  for (size_t i = 0; i + 1 < centres.size(); ++i) out.push_back((centres[i] + centres[i + 1]) / 2);
  return out;
}

Start start_of(const Tensor& values, double largest, const std::vector<double>& levels,
               const StartRule& rule) {
  const double most = std::max(std::abs(levels.front()), std::abs(levels.back()));
  Start out;
  // A tensor of zeros says nothing about its scale.
  if (largest > 0) out.beta = rule.margin * most / largest;
  out.alpha = 1 / out.beta;
  const bool binary = levels.size() == 2 && levels.front() < 0;
  out.thresholds =
      rule.clustered && !binary && largest > 0
          ? midpoints(cluster_centres(values * out.beta, static_cast<int64_t>(levels.size())))
          : midpoints(levels);
  const auto zero = std::find(levels.begin(), levels.end(), 0.0);
  if (rule.zero_band > 0 && zero != levels.end() && zero != levels.begin()) {
    const auto at = static_cast<size_t>(zero - levels.begin());
    out.thresholds[at - 1] = -rule.zero_band;
    out.thresholds[at] = rule.zero_band;
    // They push aside what would come between.
    for (size_t i = 0; i + 1 < at; ++i)
      out.thresholds[i] = std::min(out.thresholds[i], -rule.zero_band);
    for (size_t i = at + 1; i < out.thresholds.size(); ++i)
      out.thresholds[i] = std::max(out.thresholds[i], rule.zero_band);
  }
  if (rule.fitted) out.alpha = fitted_scale(values, out, levels, out.alpha);
  return out;
}

}  // namespace quantbench::qn
