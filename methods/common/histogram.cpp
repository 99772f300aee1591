#include "methods/common/histogram.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "methods/common/kernels.h"

namespace quantbench {
namespace {

constexpr double kSmallestReach = 0x1p-100;

// Integral of (t - Q(t))^2 from `lowest` to x.
double error_integral(double x, double lowest, double highest, double spacing) {
  if (x <= lowest) return std::pow(x - lowest, 3) / 3;
  const double cell = spacing * spacing * spacing / 12;
  if (x >= highest)
    return std::round((highest - lowest) / spacing) * cell + std::pow(x - highest, 3) / 3;
  const double cells = (x - lowest) / spacing;
  const double nearest = std::round(cells);
  return nearest * cell + std::pow((cells - nearest) * spacing, 3) / 3;
}

}  // namespace

void Histogram::reach_for(double magnitude) {
  if (reach_ == 0) {
    reach_ = kSmallestReach;
    while (reach_ <= magnitude) reach_ *= 2;
    return;
  }
  const size_t bins = counts_.size();
  while (reach_ <= magnitude) {
    std::vector<int64_t> merged(bins, 0);
    for (size_t bin = 0; bin < bins; ++bin) merged[bins / 4 + bin / 2] += counts_[bin];
    counts_ = std::move(merged);
    reach_ *= 2;
  }
}

void Histogram::add(const float* x, int64_t n) {
  if (n == 0) return;
  require(std::all_of(x, x + n, [](float v) { return std::isfinite(v); }),
          "Calibration met a value that is not finite: the network or its input is broken.");
  const kernels::Extremes found = kernels::extremes(x, n, {});
  low_ = count_ == 0 ? found.low : std::min(low_, found.low);
  high_ = count_ == 0 ? found.high : std::max(high_, found.high);
  reach_for(std::max<double>(std::abs(found.low), std::abs(found.high)));
  const double per_unit = 1 / width();
  for (int64_t i = 0; i < n; ++i)
    ++counts_[static_cast<size_t>((static_cast<double>(x[i]) + reach_) * per_unit)];
  count_ += n;
}

double Histogram::quantile(double share) const {
  // 1 - 0.99 is a little more than 0.01, and must not ask for one value more.
  constexpr double kSlack = 1e-6;
  const auto wanted = static_cast<int64_t>(std::ceil(share * static_cast<double>(count_) - kSlack));
  int64_t seen = 0;
  for (size_t bin = 0; bin < counts_.size(); ++bin) {
    seen += counts_[bin];
    if (counts_[bin] > 0 && seen >= wanted) return std::clamp<double>(edge(bin + 1), low_, high_);
  }
  return high_;
}

double mean_squared_error(const Histogram& histogram, double lowest, double highest,
                          double spacing) {
  double sum = 0;
  for (size_t bin = 0; bin < histogram.counts().size(); ++bin) {
    if (histogram.counts()[bin] == 0) continue;
    const double from = histogram.edge(bin), to = histogram.edge(bin + 1);
    sum += static_cast<double>(histogram.counts()[bin]) *
           (error_integral(to, lowest, highest, spacing) -
            error_integral(from, lowest, highest, spacing));
  }
  return histogram.count() == 0
             ? 0
             : sum / (histogram.width() * static_cast<double>(histogram.count()));
}

}  // namespace quantbench
