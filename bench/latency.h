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
  std::function<void()> once;     // one batch
  std::function<void()> offline;  // many samples at once; empty: not measured
};

// Median and the 10th / 90th percentile over the medians of bursts, percentiles over all calls, all
// subjects on the present thread count; then samples a second of those that have an `offline`, in
// batches of `offline_batch`.
std::vector<LatencyRow> measure_latency(const std::vector<TimedSubject>& subjects, int64_t batch,
                                        int64_t offline_batch = 0);

}  // namespace quantbench
