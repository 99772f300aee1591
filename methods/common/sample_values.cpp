#include "methods/common/sample_values.h"

#include <algorithm>

#include "base/error.h"

namespace quantbench {
namespace {

// Every k-th value in memory order of a contiguous copy, so that the outcome does not depend on the
// memory format.
Tensor spread(const Tensor& x, int64_t count) {
  const Tensor flat = x.detach().to(torch::kFloat32).contiguous().view({-1});
  // An odd stride does not fall in step with channels and rows.
  const int64_t stride = std::max<int64_t>(1, flat.numel() / std::max<int64_t>(1, count)) | 1;
  return flat.slice(0, 0, flat.numel(), stride).cpu().clone();
}

void take(SampledValues& into, const Tensor& x, int64_t count, const std::string& site) {
  if (x.numel() == 0) return;
  const auto [low, high] = torch::aminmax(x.detach());
  const double least = low.item<double>(), most = high.item<double>();
  require(std::isfinite(least) && std::isfinite(most),
          "Calibration met a value that is not finite at site {}.", site);
  const Tensor more = spread(x, count);
  const bool first = !into.values.defined();
  into.low = first ? least : std::min(into.low, least);
  into.high = first ? most : std::max(into.high, most);
  into.values = first ? more : torch::cat({into.values, more});
}

}  // namespace

std::map<std::string, SampledValues> sample_values(Network& network,
                                                   const std::vector<Batch>& batches,
                                                   const std::vector<Site>& sites, int64_t count) {
  const torch::NoGradGuard no_grad;
  std::map<std::string, SampledValues> out;
  std::map<Point, std::string> names;
  std::vector<Point> points;
  for (const Site& site : sites) {
    if (site.is_weight()) {
      take(out[site.name], network.parameter(site.point.node, "weight"), count, site.name);
    } else {
      names[site.point] = site.name;
      points.push_back(site.point);
    }
  }
  if (points.empty()) return out;
  const int64_t of_batch =
      std::max<int64_t>(1, count / std::max<int64_t>(1, static_cast<int64_t>(batches.size())));
  const bool training = network.is_training();
  network.eval();
  for (const Batch& batch : batches)
    network.observe(batch, points, [&](const Point& point, const Tensor& x, const TapContext&) {
      take(out[names.at(point)], x, of_batch, names.at(point));
    });
  network.train(training);
  return out;
}

}  // namespace quantbench
