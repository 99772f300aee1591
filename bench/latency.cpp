#include "bench/latency.h"

#include "base/interrupt.h"
#include "base/torch.h"
#include "bench/burst_timing.h"
#include "bench/provenance.h"

namespace quantbench {

namespace {

std::function<void()> interruptible(const std::function<void()>& call) {
  return [&call] {
    stop_if_interrupted("timing");
    call();
  };
}

// Whole batches are long, and steadier than single samples.
void add_offline(const std::vector<TimedSubject>& subjects, int64_t batch,
                 std::vector<LatencyRow>& rows) {
  BurstPlan plan;
  plan.rounds = 5;
  std::vector<std::function<void()>> calls;
  std::vector<LatencyRow*> timed;
  for (size_t i = 0; i < subjects.size(); ++i) {
    if (!subjects[i].offline) continue;
    calls.push_back(interruptible(subjects[i].offline));
    timed.push_back(&rows[i]);
  }
  const std::vector<CallTimes> times = time_in_bursts(calls, plan);
  for (size_t i = 0; i < timed.size(); ++i) {
    timed[i]->offline_batch = batch;
    timed[i]->offline_per_second = 1000.0 * static_cast<double>(batch) / times[i].median;
  }
}

}  // namespace

std::vector<LatencyRow> measure_latency(const std::vector<TimedSubject>& subjects, int64_t batch,
                                        int64_t offline_batch) {
  const BurstPlan plan;
  std::vector<std::function<void()>> calls;
  for (const TimedSubject& subject : subjects) calls.push_back(interruptible(subject.once));
  const std::vector<CallTimes> times = time_in_bursts(calls, plan);
  std::vector<LatencyRow> rows;
  for (size_t i = 0; i < subjects.size(); ++i) {
    LatencyRow row;
    row.subject = subjects[i].subject;
    row.kind = subjects[i].kind;
    row.engine = subjects[i].engine;
    row.isa = isa_name();
    row.threads = torch::get_num_threads();
    row.batch = batch;
    row.median_ms = times[i].median;
    row.low_ms = times[i].low;
    row.high_ms = times[i].high;
    row.repetitions = plan.rounds;
    row.p50_ms = times[i].p50;
    row.p90_ms = times[i].p90;
    row.p99_ms = times[i].p99;
    rows.push_back(row);
  }
  if (offline_batch > 0) add_offline(subjects, offline_batch, rows);
  return rows;
}

}  // namespace quantbench
