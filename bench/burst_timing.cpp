#include "bench/burst_timing.h"

#include <algorithm>
#include <chrono>

namespace quantbench {
namespace {

constexpr int kWarmUps = 3;

double milliseconds(const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  call();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5)];
}

}  // namespace

std::vector<CallTimes> time_in_bursts(const std::vector<std::function<void()>>& subjects,
                                      const BurstPlan& plan) {
  for (const auto& subject : subjects)
    for (int i = 0; i < kWarmUps; ++i) subject();
  std::vector<std::vector<double>> calls(subjects.size()), medians(subjects.size());
  for (int round = 0; round < plan.rounds; ++round)
    for (size_t s = 0; s < subjects.size(); ++s) {
      std::vector<double> burst;
      subjects[s]();  // brings back the caches
      for (double spent = 0; burst.empty() || spent < 1000 * plan.burst_seconds;) {
        burst.push_back(milliseconds(subjects[s]));
        spent += burst.back();
      }
      calls[s].insert(calls[s].end(), burst.begin(), burst.end());
      std::sort(burst.begin(), burst.end());
      medians[s].push_back(percentile(burst, 0.5));
    }
  std::vector<CallTimes> out;
  for (size_t s = 0; s < subjects.size(); ++s) {
    std::sort(calls[s].begin(), calls[s].end());
    std::sort(medians[s].begin(), medians[s].end());
    CallTimes times;
    times.p50 = percentile(calls[s], 0.5);
    times.p90 = percentile(calls[s], 0.9);
    times.p99 = percentile(calls[s], 0.99);
    times.low = percentile(medians[s], 0.1);
    times.median = percentile(medians[s], 0.5);
    times.high = percentile(medians[s], 0.9);
    times.calls = static_cast<int64_t>(calls[s].size());
    out.push_back(times);
  }
  return out;
}

}  // namespace quantbench
