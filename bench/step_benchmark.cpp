#include "bench/step_benchmark.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

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

}  // namespace

std::unique_ptr<StepSubject> train_on(const TrainedTask& task) {
  return std::make_unique<Trained>(task);
}

void add_subject(const std::string& name, std::function<std::unique_ptr<StepSubject>()> make) {
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
  benchmark::RunSpecifiedBenchmarks();
  for (const auto& [name, seconds] : times()) {
    const std::string fp32 = name.substr(0, name.find(": ")) + ": fp32";
    const auto base = times().find(fp32);
    if (name != fp32 && base != times().end())
      fmt::print("{:<34} {:.3f}\n", name + " / fp32", median(seconds) / median(base->second));
  }
}

}  // namespace quantbench
