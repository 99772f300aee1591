#include "methods/common/pareto.h"

#include <algorithm>
#include <cmath>

namespace quantbench {
namespace {

// The inner point in the most crowded place.
size_t most_crowded(const std::vector<ParetoPoint>& points) {
  size_t crowded = 1;
  double least = INFINITY;
  for (size_t i = 1; i + 1 < points.size(); ++i) {
    const double gap = std::log1p(points[i + 1].cost) - std::log1p(points[i - 1].cost);
    if (gap < least) {
      least = gap;
      crowded = i;
    }
  }
  return crowded;
}

}  // namespace

bool covers(const ParetoPoint& a, const ParetoPoint& b) {
  return a.accuracy >= b.accuracy && a.cost <= b.cost;
}

ParetoFront::Change ParetoFront::insert(const ParetoPoint& point) {
  Change change;
  if (most_ == 0) return change;
  for (const ParetoPoint& known : points_)
    if (covers(known, point)) return change;
  const auto drop = [&](size_t index) {
    change.dropped.push_back(points_[index].name);
    points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(index));
  };
  for (size_t i = points_.size(); i-- > 0;)
    if (covers(point, points_[i])) drop(i);
  const auto place =
      std::lower_bound(points_.begin(), points_.end(), point,
                       [](const ParetoPoint& a, const ParetoPoint& b) { return a.cost < b.cost; });
  points_.insert(place, point);
  if (points_.size() > std::max<size_t>(most_, 2)) {
    const size_t crowded = most_crowded(points_);
    if (points_[crowded].name == point.name)
      points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(crowded));
    else
      drop(crowded);
  }
  change.kept = std::any_of(points_.begin(), points_.end(),
                            [&](const ParetoPoint& p) { return p.name == point.name; });
  return change;
}

}  // namespace quantbench
