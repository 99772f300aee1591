// Fronts of accuracy over cost: which points no other one beats.
#pragma once

#include <string>
#include <vector>

namespace quantbench {

struct ParetoPoint {
  std::string name;
  double accuracy = 0;  // more is better
  double cost = 0;      // less is better
};

// Whether `a` is at least as good as `b` in both.
bool covers(const ParetoPoint& a, const ParetoPoint& b);

// The points of one run, in the order in which they came. A newcomer that an older point covers is
// refused; older ones that it covers go.
class ParetoFront {
 public:
  // At most `most` points stay (at least 2, or 0: none at all). When there are more, the inner one
  // goes whose neighbours' costs are nearest to each other, in ratio.
  explicit ParetoFront(size_t most) : most_(most) {}

  struct Change {
    bool kept = false;                 // the newcomer stays
    std::vector<std::string> dropped;  // older points that go
  };
  Change insert(const ParetoPoint& point);

  const std::vector<ParetoPoint>& points() const { return points_; }  // by ascending cost

 private:
  size_t most_;
  std::vector<ParetoPoint> points_;
};

}  // namespace quantbench
