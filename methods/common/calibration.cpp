#include "methods/common/calibration.h"

#include "base/interrupt.h"

namespace quantbench {
namespace {

Tensor pack(const Range& range, const Tensor& mean_magnitude) {
  return torch::stack({range.low.cpu(), range.high.cpu(), mean_magnitude.cpu()});
}

Tensor of_weight(const Tensor& weight, const ObserverConfig& config) {
  const Range mean = mean_magnitude(weight, config.granularity);
  if (config.bits.bits() == 1) return pack(mean, mean.high);
  const auto observer = make_observer(config);
  observer->update(weight);
  return pack(observer->range(), mean.high);
}

// What calibration gathers about one activation.
struct Gathered {
  std::unique_ptr<Observer> observer;
  double sum = 0, count = 0;  // of |x|

  void update(const Tensor& x) {
    observer->update(x);
    sum += x.abs().sum(torch::kFloat64).item<double>();
    count += static_cast<double>(x.numel());
  }
};

const Tensor& calibrated(const Calibration& calibration, const Site& site,
                         const std::string& owner) {
  const auto found = calibration.find(site.name);
  require(found != calibration.end() && found->second.dim() == 2 && found->second.size(0) == 3,
          "{}: there is no calibration of site {}; it must be planned or loaded first.", owner,
          site.name);
  return found->second;
}

}  // namespace

Calibration calibrate(Network& network, const std::vector<Batch>& batches,
                      const std::vector<Site>& sites,
                      const std::function<ObserverConfig(const Site&)>& config_of) {
  const torch::NoGradGuard no_grad;
  Calibration out;
  std::map<Point, Gathered> gathered;
  std::vector<Point> points;
  for (const Site& site : sites) {
    if (site.is_weight()) {
      const Tensor weight = network.parameter(site.point.node, "weight").detach();
      out[site.name] = of_weight(weight, config_of(site));
    } else {
      gathered[site.point].observer = make_observer(config_of(site));
      points.push_back(site.point);
    }
  }
  if (points.empty()) return out;

  const bool training = network.is_training();
  network.eval();
  for (const Batch& batch : batches) {
    stop_if_interrupted("calibrating");
    network.observe(batch, points, [&](const Point& point, const Tensor& x, const TapContext&) {
      gathered.at(point).update(x);
    });
  }
  network.train(training);

  for (const Site& site : sites) {
    if (site.is_weight()) continue;
    const Gathered& seen = gathered.at(site.point);
    const double mean = seen.sum / std::max(seen.count, 1.0);
    out[site.name] = pack(seen.observer->range(), torch::full({1}, mean, torch::kFloat32));
  }
  return out;
}

Range range_at(const Calibration& calibration, const Site& site, Granularity granularity,
               const std::string& owner) {
  const Tensor& seen = calibrated(calibration, site, owner);
  return {granularity, seen[0], seen[1]};
}

Tensor mean_magnitude_at(const Calibration& calibration, const Site& site,
                         const std::string& owner) {
  return calibrated(calibration, site, owner)[2];
}

}  // namespace quantbench
