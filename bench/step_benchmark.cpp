#include "bench/step_benchmark.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <regex>

#include "bench/process.h"
#include "bench/provenance.h"
#include "models/model.h"

namespace quantbench {
namespace {

constexpr int kSteps = 5;  // of each subject, in every repetition

class Trained : public StepSubject {
 public:
  explicit Trained(const TrainedTask& task)
      : network_(build_model(task.model, {task.input, task.classes}, task.model_options)),
        batch_(task.batch) {
    const MethodEntry& entry = methods().get(task.method);
    method_ = entry.make(OptionValues("method", entry.card.options, task.method_options));
    const std::vector<Batch> calibration{batch_};
    MethodContext context{
        network_, calibration, RandomStream(1, "method"), {}, [](const std::string&) {}};
    method_->plan(context);
    method_->attach(network_);
    network_.train();
    network_.compute().bf16 = task.bf16;
    TrainingBudget budget;
    budget.epochs = 1;
    budget.optimizer = task.optimizer;
    optimizer_ = std::make_unique<PhaseOptimizer>(method_->phases(network_, budget).at(0),
                                                  network_.parameters());
    steps(task.warm_up);
  }

  std::vector<double> steps(int count) override {
    std::vector<double> out;
    for (int i = 0; i < count; ++i) {
      const auto start = std::chrono::steady_clock::now();
      Progress progress;
      progress.epochs = 1;
      progress.step = progress.global_step = step_++;
      progress.steps = step_;
      tally_.add(training_step(network_, *method_, *optimizer_, batch_, progress,
                               static_cast<uint64_t>(step_)));
      // A step's share of what the trainer does with a bunch of them.
      tally_.settle();
      out.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return out;
  }

 private:
  Network network_;
  Batch batch_;
  std::unique_ptr<Method> method_;
  std::unique_ptr<PhaseOptimizer> optimizer_;
  EpochTally tally_;
  int64_t step_ = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// Seconds of every step of every subject that ran.
std::map<std::string, std::vector<double>>& times() {
  static std::map<std::string, std::vector<double>> all;
  return all;
}

using Make = std::function<std::unique_ptr<StepSubject>()>;

std::vector<std::pair<std::string, Make>>& subjects() {
  static std::vector<std::pair<std::string, Make>> all;
  return all;
}

double resident_bytes() {
  std::ifstream in("/proc/self/statm");
  double size = 0, resident = 0;
  in >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// The most memory that a subject adds to a process that has nothing else, its network and its
// batch included; 0 where that cannot be known. The child must be forked before LibTorch has
// threads.
double peak_bytes(const Make& make) {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const double before = resident_bytes();
    double added = 0;
    if (!make()->steps(2).empty()) {
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      added = static_cast<double>(usage.ru_maxrss) * 1024 - before;
    }
    const bool written = write(ends[1], &added, sizeof(added)) == sizeof(added);
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  double added = 0;
  if (child < 0 || read(ends[0], &added, sizeof(added)) != sizeof(added)) added = 0;
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return added;
}

// Of the subjects that the filter lets through.
std::map<std::string, double> peaks() {
  const std::string filter = benchmark::GetBenchmarkFilter();
  const std::regex wanted(filter.empty() || filter == "all" ? ".*" : filter);
  std::map<std::string, double> out;
  for (const auto& [name, make] : subjects())
    if (std::regex_search(name, wanted)) out[name] = peak_bytes(make);
  return out;
}

// What a subject's figure is divided by.
template <typename Value>
const Value* base_of(const std::map<std::string, Value>& all, const std::string& name) {
  const auto found = all.find(name.substr(0, name.find(": ")) + ": fp32");
  return found == all.end() || found->first == name ? nullptr : &found->second;
}

}  // namespace

std::unique_ptr<StepSubject> train_on(const TrainedTask& task) {
  return std::make_unique<Trained>(task);
}

void add_subject(const std::string& name, Make make) {
  subjects().emplace_back(name, make);
  const auto run = [name, make = std::move(make),
                    subject = std::shared_ptr<StepSubject>()](benchmark::State& state) mutable {
    if (!subject) subject = make();
    for (auto _ : state) {
      const std::vector<double> seconds = subject->steps(kSteps);
      if (seconds.empty()) {
        state.SkipWithError("it cannot run here");
        break;
      }
      auto& all = times()[name];
      all.insert(all.end(), seconds.begin(), seconds.end());
      state.SetIterationTime(median(seconds));
    }
  };
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime()
      ->Iterations(1)
      ->Repetitions(7)
      ->ReportAggregatesOnly(true);
}

void run_step_benchmarks(int argc, char** argv) {
  prepare_process(usable_cpus());
  std::vector<char*> arguments(argv, argv + argc);
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  arguments.push_back(interleave.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  const std::map<std::string, double> memory = peaks();
  for (const auto& [name, bytes] : memory) {
    const double* base = base_of(memory, name);
    fmt::print("{:<46} peak memory {:6.1f} MB", name, bytes / 1e6);
    if (base != nullptr && *base > 0) fmt::print(", {:.3f} of fp32's", bytes / *base);
    fmt::print("\n");
  }
  std::fflush(nullptr);
  benchmark::RunSpecifiedBenchmarks();
  for (const auto& [name, seconds] : times())
    if (const auto* base = base_of(times(), name); base != nullptr)
      fmt::print("{:<46} {:.3f}\n", name + " / fp32", median(seconds) / median(*base));
}

}  // namespace quantbench
