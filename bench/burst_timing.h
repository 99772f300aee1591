// Timing several subjects fairly in one process: after a warm-up they take turns in bursts of
// calls. Single calls that take turns would leave every cache cold for the next one; one subject
// after the other would meet another clock.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace quantbench {

struct BurstPlan {
  int rounds = 15;              // bursts of each subject
  double burst_seconds = 0.02;  // at least so long, and at least one call
};

// Of one subject, in milliseconds a call.
struct CallTimes {
  double p50 = 0, p90 = 0, p99 = 0;      // over all calls
  double low = 0, median = 0, high = 0;  // over the medians of bursts: 10th, 50th, 90th percentile
  int64_t calls = 0;
};

// In the order of `subjects`; each is called a few times before anything counts.
std::vector<CallTimes> time_in_bursts(const std::vector<std::function<void()>>& subjects,
                                      const BurstPlan& plan = {});

}  // namespace quantbench
