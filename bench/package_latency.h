// What a package costs to run on this machine: the engine against LibTorch FP32 and against the
// engine's own FP32 twin, in one process, and the time of each of its layers. Nothing is timed
// whose answers are wrong.
#pragma once

#include "bench/burst_timing.h"
#include "results/store.h"
#include "runtime/engine/engine_executor.h"

namespace quantbench {

// Another runtime, timed in turns with ours on the same inputs. What `open` returns runs one batch.
struct LatencyPeer {
  std::string subject, kind, engine;
  std::function<std::function<void(const Batch&)>(int threads)> open;
};

struct LatencyRequest {
  int64_t batch = 128;   // of the offline figures
  std::string isa;       // "": the fastest
  int threads = 1;       // measured with 1 and with so many
  int64_t checked = 64;  // samples compared with the reference first
  // A batch of at most so many samples, input and graph; empty: random images.
  std::function<Batch(int64_t samples)> inputs;
  std::vector<LatencyPeer> peers;
  BurstPlan bursts;
};

struct SubjectTimes {
  std::string subject, kind, engine, isa;
  int threads = 1;
  int64_t batch = 1;
  CallTimes times;

  double images_per_second() const { return 1000.0 * static_cast<double>(batch) / times.median; }
};

struct LayerTime {
  engine::StepInfo step;
  double microseconds = 0;
  double gmacs = 0;          // a second
  double share_of_peak = 0;  // of the peak of its kind, measured in the same process
};

struct PackageLatency {
  std::string network, executor;
  double integer_share = 0, compile_ms = 0;
  int64_t packed_weight_bytes = 0, arena_bytes = 0;
  double integer_peak = 0, float_peak = 0;  // GMAC/s of one core
  std::string distrust;                     // a sentence; then nothing was timed
  std::vector<SubjectTimes> subjects;
  std::vector<LayerTime> layers;
};

// "integer fused" where every step multiplies integers and ends in the kernels' own epilogue,
// "integer with float parts" else, "simulated" where no integers are multiplied at all.
std::string latency_kind(const EngineExecutor& executor);

// The package's network in float: its decoded weights, nothing quantized.
Package float_twin(const Package& package);

// Throws Error on a network that passes messages when the request brings no graphs.
PackageLatency measure_package(const Package& package, const LatencyRequest& request);

}  // namespace quantbench
