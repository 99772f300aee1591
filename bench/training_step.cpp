// One training step of ResNet-20 at batch 128: quantbench in FP32 and with `uniform` W4A4 in every
// rule, and the same network in python3-torch (a yardstick process, if python3 has torch). The
// order of repetitions is random in order (--benchmark_enable_random_interleaving), so that a slow
// minute of the machine hits every subject. Read the ratios.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
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

class Ours : public Subject {
 public:
  explicit Ours(const std::string& rule) : network_(build_model("resnet20", {{3, 32, 32}, 10})) {
    torch::manual_seed(1);
    batch_.input = torch::randn({kBatch, 3, 32, 32});
    batch_.target = torch::arange(kBatch) % 10;
    std::map<std::string, std::string> options;
    if (!rule.empty())
      options = {{"mode", "qat"}, {"rule", rule}, {"weight_bits", "4"}, {"activation_bits", "4"}};
    const MethodEntry& entry = methods().get(rule.empty() ? "fp32" : "uniform");
    method_ = entry.make(OptionValues("method", entry.card.options, options));
    const std::vector<Batch> calibration{batch_};
    MethodContext context{network_, calibration, RandomStream(1, "method"), {}, {}};
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
      optimizer_->zero_grad();
      torch::cross_entropy_loss(network_.forward(batch_), batch_.target).backward();
      optimizer_->step(1);
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

void print_ratios() {
  auto at = [](const std::string& name) { return median(times()[name]); };
  const double fp32 = at("fp32");
  for (const auto& [name, seconds] : times())
    if (name != "fp32") {
      const bool yardstick = name == "python3-torch";
      fmt::print("{:<28} {:.3f}\n", yardstick ? "fp32 / python3-torch" : name + " / fp32",
                 yardstick ? fp32 / median(seconds) : median(seconds) / fp32);
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
  register_subject("fp32", std::make_shared<Ours>(""));
  for (const char* rule : {"ste", "lsq", "pact", "dorefa"})
    register_subject(fmt::format("uniform_w4a4_{}", rule), std::make_shared<Ours>(rule));
  register_subject("python3-torch", std::make_shared<PythonTorch>());
  benchmark::RunSpecifiedBenchmarks();
  print_ratios();
}
