#include "bench/latency.h"

#include "base/interrupt.h"
#include "base/torch.h"
#include "bench/burst_timing.h"
#include "bench/provenance.h"

namespace quantbench {

std::vector<LatencyRow> measure_latency(const std::vector<TimedSubject>& subjects, int64_t batch) {
  const BurstPlan plan;
  std::vector<std::function<void()>> calls;
  for (const TimedSubject& subject : subjects)
    calls.push_back([&subject] {
      stop_if_interrupted("timing");
      subject.once();
    });
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
    rows.push_back(row);
  }
  return rows;
}

}  // namespace quantbench
