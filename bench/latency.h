// Timing inside a run: the FP32 network, the same network with its quantizers on (kind "simulated")
// and the package in the engine, in one process, on one input, in bursts that take turns.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "results/store.h"

namespace quantbench {

struct TimedSubject {
  std::string subject, kind, engine;
  std::function<void()> once;  // one batch
};

// Median and the 10th / 90th percentile over the medians of bursts, all subjects on the present
// thread count.
std::vector<LatencyRow> measure_latency(const std::vector<TimedSubject>& subjects, int64_t batch);

}  // namespace quantbench
