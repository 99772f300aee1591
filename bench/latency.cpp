#include "bench/latency.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>

#include "base/torch.h"
#include "bench/provenance.h"

namespace quantbench {
namespace {

constexpr int kRepetitions = 15;

class Collector : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.run_type == Run::RT_Iteration)
        times_[run.run_name.function_name].push_back(run.GetAdjustedRealTime());
  }
  std::vector<double> sorted(const std::string& name) const {
    std::vector<double> out = times_.at(name);
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  std::map<std::string, std::vector<double>> times_;
};

}  // namespace

std::vector<LatencyRow> measure_latency(const std::vector<TimedSubject>& subjects, int64_t batch) {
  for (const TimedSubject& subject : subjects)
    benchmark::RegisterBenchmark(subject.subject.c_str(),
                                 [once = subject.once](benchmark::State& state) {
                                   for (auto _ : state) once();
                                 })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime()
        ->MinTime(0.05)
        ->Repetitions(kRepetitions);
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  benchmark::ClearRegisteredBenchmarks();

  std::vector<LatencyRow> rows;
  for (const TimedSubject& subject : subjects) {
    const std::vector<double> times = collector.sorted(subject.subject);
    LatencyRow row;
    row.subject = subject.subject;
    row.kind = subject.kind;
    row.engine = subject.engine;
    row.isa = isa_name();
    row.threads = torch::get_num_threads();
    row.batch = batch;
    row.median_ms = times[times.size() / 2];
    row.low_ms = times[times.size() / 10];
    row.high_ms = times[times.size() - 1 - times.size() / 10];
    row.repetitions = static_cast<int64_t>(times.size());
    rows.push_back(row);
  }
  return rows;
}

}  // namespace quantbench
