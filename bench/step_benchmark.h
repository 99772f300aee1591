// The trainer's own step (bench/step.h) of several networks and methods in one process, for ratios:
// what the benchmark programs of training share. The order of repetitions is random, so that a slow
// minute of the machine hits every subject.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/step.h"

namespace quantbench {

class StepSubject {
 public:
  virtual ~StepSubject() = default;
  virtual std::vector<double> steps(int count) = 0;  // seconds each; empty: it cannot run here
};

// A network that trains on one batch under a method.
struct TrainedTask {
  std::string model;
  std::map<std::string, std::string> model_options{};
  Batch batch{};
  std::vector<int64_t> input{};  // shape of a sample, or of a node's features
  int64_t classes = 10;
  std::string method = "fp32";
  std::map<std::string, std::string> method_options{};
  OptimizerConfig optimizer{};
  bool bf16 = false;
  int warm_up = 2;  // steps
};
std::unique_ptr<StepSubject> train_on(const TrainedTask& task);

// Names are "GROUP: SUBJECT"; the ratio that is printed is to "GROUP: fp32". `make` is called when
// the subject is first run, so --benchmark_filter leaves the others alone.
void add_subject(const std::string& name, std::function<std::unique_ptr<StepSubject>()> make);

// The program: runs all subjects, prints their ratios: medians of the steps' times, and the most
// memory that each adds to a process of its own.
void run_step_benchmarks(int argc, char** argv);

}  // namespace quantbench
