// A histogram that grows: bins over [-reach, reach) with reach a power of two, which doubles (and
// bins merge two by two, exactly) when a larger value comes. What it holds does not depend on how
// the values were cut into batches.
#pragma once

#include <vector>

#include "base/torch.h"

namespace quantbench {

class Histogram {
 public:
  // `bins`: a power of two, 4 or more.
  explicit Histogram(int64_t bins) : counts_(static_cast<size_t>(bins), 0) {}

  // Throws Error on a value that is not finite.
  void add(const float* x, int64_t n);

  int64_t count() const { return count_; }
  float low() const { return low_; }    // smallest value seen
  float high() const { return high_; }  // largest value seen
  double width() const { return 2 * reach_ / static_cast<double>(counts_.size()); }
  double edge(size_t bin) const { return -reach_ + static_cast<double>(bin) * width(); }
  const std::vector<int64_t>& counts() const { return counts_; }

  // The smallest value that at least the share `share` (0..1) of all values do not exceed, to
  // within width() above. 0 for an empty histogram.
  double quantile(double share) const;

 private:
  void reach_for(double magnitude);

  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  double reach_ = 0;
  float low_ = 0, high_ = 0;
};

// The mean over a histogram (values spread evenly within a bin) of (x - Q(x))^2 for the evenly
// spaced levels lowest, lowest + spacing, ..., highest; beyond the ends Q saturates. In closed
// form, so it holds for steps finer than a bin.
double mean_squared_error(const Histogram& histogram, double lowest, double highest,
                          double spacing);

}  // namespace quantbench
