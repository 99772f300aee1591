// One training step of ResNet-20 at batch 128: quantbench in FP32, with `uniform` W4A4 in every
// rule and with `hgq`, and the same network in python3-torch (a yardstick process, if python3 has
// torch); and of HGQ's own networks, in FP32 and with it, loss term and hooks included. The order
// of repetitions is random in order (--benchmark_enable_random_interleaving), so that a slow minute
// of the machine hits every subject. Read the ratios.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>

#include "bench/optimizer.h"
#include "bench/provenance.h"
#include "methods/method.h"
#include "models/model.h"

namespace quantbench {
namespace {

constexpr int kBatch = 128;
constexpr int kSteps = 5;  // of each subject, in every repetition

// Prints seconds per step, a line a step, for every line it reads.
constexpr const char* kYardstick = R"python(
import sys, time, torch
import torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(int(sys.argv[1]))
class Block(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, s, 1, bias=False); self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False); self.bn2 = nn.BatchNorm2d(o)
        self.s, self.pad = s, (o - i) // 2
    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.s > 1: x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False); self.bn1 = nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(*[Block(i, o, s) for i, o, s in
            [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2])
        self.linear = nn.Linear(64, 10)
    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return self.linear(x.mean((2, 3)))
net = Net(); x = torch.randn(128, 3, 32, 32); y = torch.arange(128) % 10
sgd = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
def step():
    sgd.zero_grad(); F.cross_entropy(net(x), y).backward(); sgd.step()
step(); step()
print('ready', flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        t = time.perf_counter(); step(); print(time.perf_counter() - t, flush=True)
)python";

class Subject {
 public:
  virtual ~Subject() = default;
  virtual std::vector<double> steps(int count) = 0;  // seconds each; empty: it cannot run here
};

// What is trained, and how.
struct Task {
  std::string model;
  std::vector<int64_t> input;
  int64_t batch;
};

class Ours : public Subject {
 public:
  Ours(const Task& task, const std::string& method,
       const std::map<std::string, std::string>& options)
      : network_(build_model(task.model, {task.input, 10})) {
    torch::manual_seed(1);
    std::vector<int64_t> shape{task.batch};
    shape.insert(shape.end(), task.input.begin(), task.input.end());
    batch_.input = torch::randn(shape);
    batch_.target = torch::arange(task.batch) % 10;
    const MethodEntry& entry = methods().get(method);
    method_ = entry.make(OptionValues("method", entry.card.options, options));
    const std::vector<Batch> calibration{batch_};
    MethodContext context{
        network_, calibration, RandomStream(1, "method"), {}, [](const std::string&) {}};
    method_->plan(context);
    method_->attach(network_);
    network_.train();
    TrainingBudget budget;
    budget.epochs = 1;
    budget.optimizer.lr = 0.01;
    budget.optimizer.weight_decay = 1e-4;
    optimizer_ = std::make_unique<PhaseOptimizer>(method_->phases(network_, budget).at(0));
    steps(2);
  }

  std::vector<double> steps(int count) override {
    std::vector<double> out;
    for (int i = 0; i < count; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const Progress progress{0, 0, 1, i, count};
      optimizer_->zero_grad();
      method_->before_step(network_, progress);
      Tensor loss = torch::cross_entropy_loss(network_.forward(batch_), batch_.target);
      if (Tensor extra = method_->loss_term(network_, progress); extra.defined())
        loss = loss + extra;
      loss.backward();
      method_->after_backward(network_, progress);
      optimizer_->step(1);
      method_->after_step(network_, progress);
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
};

// Made when it is first asked for: --benchmark_filter leaves most subjects alone.
class Lazy : public Subject {
 public:
  explicit Lazy(std::function<std::unique_ptr<Subject>()> make) : make_(std::move(make)) {}

  std::vector<double> steps(int count) override {
    if (!made_) made_ = make_();
    return made_->steps(count);
  }

 private:
  std::function<std::unique_ptr<Subject>()> make_;
  std::unique_ptr<Subject> made_;
};

class PythonTorch : public Subject {
 public:
  std::vector<double> steps(int count) override {
    // Inside the shell's single quotes a single quote is written '\''.
    std::string quoted = kYardstick;
    for (size_t at = 0; (at = quoted.find('\'', at)) != std::string::npos; at += 4)
      quoted.replace(at, 1, "'\\''");
    FILE* pipe = popen(fmt::format("echo {} | /usr/bin/python3 -c '{}' {} 2>/dev/null", count,
                                   quoted, torch::get_num_threads())
                           .c_str(),
                       "r");
    std::vector<double> out;
    char line[128];
    while (pipe && fgets(line, sizeof(line), pipe))
      if (line[0] != 'r') out.push_back(std::strtod(line, nullptr));
    if (pipe) pclose(pipe);
    return out;
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// Seconds of every step of every subject.
std::map<std::string, std::vector<double>>& times() {
  static std::map<std::string, std::vector<double>> all;
  return all;
}

void register_subject(const std::string& name, std::shared_ptr<Subject> subject) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 for (auto _ : state) {
                                   const std::vector<double> seconds = subject->steps(kSteps);
                                   if (seconds.empty()) {
                                     state.SkipWithError("python3 has no torch here");
                                     break;
                                   }
                                   auto& all = times()[name];
                                   all.insert(all.end(), seconds.begin(), seconds.end());
                                   state.SetIterationTime(median(seconds));
                                 }
                               })
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime()
      ->Iterations(1)
      ->Repetitions(7)
      ->ReportAggregatesOnly(true);
}

// Each time over that of its network in FP32 ("fp32", "mlp_jet: fp32").
void print_ratios() {
  auto at = [](const std::string& name) { return median(times()[name]); };
  for (const auto& [name, seconds] : std::map(times())) {
    const auto colon = name.find(": ");
    const std::string fp32 = colon == std::string::npos ? "fp32" : name.substr(0, colon) + ": fp32";
    if (name == fp32) continue;
    const bool yardstick = name == "python3-torch";
    fmt::print("{:<34} {:.3f}\n", yardstick ? "fp32 / python3-torch" : name + " / fp32",
               yardstick ? at(fp32) / median(seconds) : median(seconds) / at(fp32));
  }
}

}  // namespace
}  // namespace quantbench

int main(int argc, char** argv) {
  using namespace quantbench;
  torch::set_num_threads(usable_cpus());
  std::vector<char*> arguments(argv, argv + argc);
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  arguments.push_back(interleave.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  const Task resnet{"resnet20", {3, 32, 32}, kBatch};
  using Options = std::map<std::string, std::string>;
  const auto add = [](const std::string& name, const Task& task, const std::string& method,
                      const Options& options) {
    register_subject(name, std::make_shared<Lazy>(
                               [=] { return std::make_unique<Ours>(task, method, options); }));
  };
  add("fp32", resnet, "fp32", {});
  for (const char* rule : {"ste", "lsq", "pact", "dorefa"})
    add(fmt::format("uniform_w4a4_{}", rule), resnet, "uniform",
        {{"mode", "qat"}, {"rule", rule}, {"weight_bits", "4"}, {"activation_bits", "4"}});
  add("hgq_layer", resnet, "hgq", {{"activation_granularity", "layer"}});
  for (const Task& task :
       {Task{"mlp_jet", {16}, 512}, Task{"mlp_jet", {16}, 33200},
        Task{"convnet_mnist", {1, 28, 28}, 256}, Task{"convnet_svhn", {3, 32, 32}, 256}}) {
    const std::string name = fmt::format("{} {}", task.model, task.batch);
    add(name + ": fp32", task, "fp32", {});
    add(name + ": hgq_element", task, "hgq", {});
    add(name + ": hgq_layer", task, "hgq", {{"activation_granularity", "layer"}});
  }
  register_subject("python3-torch", std::make_shared<PythonTorch>());
  benchmark::RunSpecifiedBenchmarks();
  print_ratios();
}
