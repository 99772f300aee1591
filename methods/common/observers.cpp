#include "methods/common/observers.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "methods/common/histogram.h"
#include "methods/common/parallel.h"
#include "methods/common/range_tracker.h"

namespace quantbench {
namespace {

constexpr int64_t kTensorBins = 1 << 14;
constexpr int64_t kChannelBins = 1 << 12;

void require_seen(bool seen) {
  require(seen, "An observer has seen no values: calibration needs at least one batch.");
}

class ExtremesObserver : public Observer {
 public:
  ExtremesObserver(Granularity granularity, RangeTracking tracking)
      : granularity_(granularity), tracking_(tracking) {}

  void update(const Tensor& x) override {
    if (x.numel() == 0) return;
    const Tensor real = x.detach().to(torch::kFloat32);
    require(torch::isfinite(real).all().item<bool>(),
            "Calibration met a value that is not finite: the network or its input is broken.");
    Range found = min_max(real, granularity_);
    if (range_.low.defined())
      track_range(tracking_, found.low, found.high, range_.low, range_.high);
    else
      range_ = {granularity_, found.low.cpu(), found.high.cpu()};
  }

  Range range() const override {
    require_seen(range_.low.defined());
    return range_;
  }

 private:
  Granularity granularity_;
  RangeTracking tracking_;
  Range range_;
};

struct Interval {
  double low = 0, high = 0;
};

// Keeps one histogram a channel; what interval it means is up to the subclass.
class HistogramObserver : public Observer {
 public:
  explicit HistogramObserver(Granularity granularity) : granularity_(granularity) {}

  void update(const Tensor& x) override {
    if (x.numel() == 0) return;
    const bool by_channel = granularity_ == Granularity::Channel;
    const int64_t rows = by_channel ? x.size(0) : 1;
    if (histograms_.empty())
      histograms_.assign(static_cast<size_t>(rows),
                         Histogram(by_channel ? kChannelBins : kTensorBins));
    require(static_cast<int64_t>(histograms_.size()) == rows,
            "An observer of {} channels was given {}.", histograms_.size(), rows);
    const Tensor values = dense(x.detach().to(torch::kFloat32).cpu(), by_channel);
    const int64_t length = values.numel() / rows;
    at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        histograms_[static_cast<size_t>(row)].add(values.data_ptr<float>() + row * length, length);
    });
  }

  Range range() const override {
    require_seen(!histograms_.empty());
    const auto rows = static_cast<int64_t>(histograms_.size());
    Range out{granularity_, torch::zeros({rows}), torch::zeros({rows})};
    at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const Interval found = interval(histograms_[static_cast<size_t>(row)]);
        out.low.data_ptr<float>()[row] = static_cast<float>(std::min(found.low, 0.0));
        out.high.data_ptr<float>()[row] = static_cast<float>(std::max(found.high, 0.0));
      }
    });
    return out;
  }

 private:
  virtual Interval interval(const Histogram& histogram) const = 0;

  Granularity granularity_;
  std::vector<Histogram> histograms_;
};

class PercentileObserver : public HistogramObserver {
 public:
  PercentileObserver(Granularity granularity, double percentile)
      : HistogramObserver(granularity), share_(percentile / 100) {}

 private:
  Interval interval(const Histogram& histogram) const override {
    return {histogram.quantile(1 - share_), histogram.quantile(share_)};
  }

  double share_;
};

class MseObserver : public HistogramObserver {
 public:
  MseObserver(Granularity granularity, BitWidth bits, Scheme scheme)
      : HistogramObserver(granularity), bits_(bits), scheme_(scheme) {}

 private:
  Interval interval(const Histogram& histogram) const override {
    const double low = std::min<double>(histogram.low(), 0);
    const double high = std::max<double>(histogram.high(), 0);
    auto error = [&](int factor) { return error_of(histogram, low, high, factor / kFactors); };
    // Coarse, then every factor around the best: the error has one broad valley.
    int best = static_cast<int>(kFactors);
    double least = error(best);
    auto search = [&](int first, int last, int stride) {
      for (int factor = first; factor <= last; factor += stride) {
        const double e = error(factor);
        if (e < least) {
          least = e;
          best = factor;
        }
      }
    };
    search(kStride, static_cast<int>(kFactors), kStride);
    search(std::max(1, best - kStride + 1), std::min<int>(kFactors, best + kStride - 1), 1);
    return {low * best / kFactors, high * best / kFactors};
  }

  double error_of(const Histogram& histogram, double low, double high, double factor) const {
    const auto top = static_cast<double>(bits_.levels() - 1);
    if (scheme_ == Scheme::Affine) {
      const double spacing = (high - low) * factor / top;
      if (spacing <= 0) return 0;
      const double lowest =
          -std::clamp(std::nearbyint(-low * factor / spacing), 0.0, top) * spacing;
      return mean_squared_error(histogram, lowest, lowest + top * spacing, spacing);
    }
    const double limit = std::max(-low, high) * factor;
    if (limit <= 0) return 0;
    const double intervals = bits_.bits() > 1 ? top - 1 : 1;
    return mean_squared_error(histogram, -limit, limit, 2 * limit / intervals);
  }

  static constexpr double kFactors = 256;
  static constexpr int kStride = 8;
  BitWidth bits_;
  Scheme scheme_;
};

}  // namespace

const std::vector<std::string>& observer_kinds() {
  static const std::vector<std::string> kinds{"minmax", "percentile", "mse", "ema"};
  return kinds;
}

std::unique_ptr<Observer> make_observer(const ObserverConfig& config) {
  using Rule = RangeTracking::Rule;
  if (config.kind == "minmax")
    return std::make_unique<ExtremesObserver>(config.granularity, RangeTracking{Rule::Widest});
  if (config.kind == "ema")
    return std::make_unique<ExtremesObserver>(config.granularity,
                                              RangeTracking{Rule::MovingAverage, config.momentum});
  if (config.kind == "percentile")
    return std::make_unique<PercentileObserver>(config.granularity, config.percentile);
  if (config.kind == "mse")
    return std::make_unique<MseObserver>(config.granularity, config.bits, config.scheme);
  fail("There is no observer '{}'; known are: {}.", config.kind, fmt::join(observer_kinds(), ", "));
}

}  // namespace quantbench
