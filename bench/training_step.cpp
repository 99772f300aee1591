// One training step under a method over the FP32 step of the same network: ResNet-20 at batch 128
// in FP32 and bf16 with `uniform` W4A4 in every rule, Quantization Networks, SRQ, RQ, HGQ, BSQ with
// eight planes and ALQ with six bases a group, beside the same network in python3-torch (a
// yardstick process, if python3 has torch); and HGQ's networks.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "bench/step_benchmark.h"

namespace quantbench {
namespace {

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

class PythonTorch : public StepSubject {
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

struct Data {
  std::string model;
  std::vector<int64_t> input;
  int64_t batch;
  bool bf16 = false;
};

void add(const std::string& name, const Data& data, const std::string& method,
         const std::map<std::string, std::string>& options = {}) {
  add_subject(name, [=] {
    torch::manual_seed(1);
    TrainedTask task{data.model};
    std::vector<int64_t> shape{data.batch};
    shape.insert(shape.end(), data.input.begin(), data.input.end());
    task.batch.input = torch::randn(shape);
    task.batch.target = torch::arange(data.batch) % 10;
    task.input = data.input;
    task.bf16 = data.bf16;
    task.method = method;
    task.method_options = options;
    task.optimizer.lr = 0.01;
    task.optimizer.weight_decay = 1e-4;
    return train_on(task);
  });
}

// ResNet-20 in FP32 and in bf16.
void add_both(const std::string& name, const std::string& method,
              const std::map<std::string, std::string>& options = {}) {
  Data data{"resnet20", {3, 32, 32}, 128};
  add("resnet20: " + name, data, method, options);
  data.bf16 = true;
  add("resnet20: " + name + "_in_bf16", data, method, options);
}

}  // namespace
}  // namespace quantbench

int main(int argc, char** argv) {
  using namespace quantbench;
  add_both("fp32", "fp32");
  for (const char* rule : {"ste", "lsq", "pact", "dorefa"}) {
    const std::map<std::string, std::string> w4a4{
        {"mode", "qat"}, {"rule", rule}, {"weight_bits", "4"}, {"activation_bits", "4"}};
    add_both(fmt::format("uniform_w4a4_{}", rule), "uniform", w4a4);
  }
  for (const char* bits : {"2", "4"}) {
    const std::map<std::string, std::string> both{{"weight_bits", bits}, {"activation_bits", bits}};
    // The last of its three phases; the temperature of the first epoch, when most sigmoids overlap,
    // and a later one.
    for (const char* temperature : {"5", "200"}) {
      auto staircases = both;
      staircases["weights_share"] = staircases["activations_share"] = "0";
      staircases["temperature"] = temperature;
      add_both(fmt::format("quantization_networks_w{0}a{0}_t{1}", bits, temperature),
               "quantization_networks", staircases);
    }
    add_both(fmt::format("srq_w{0}a{0}", bits), "srq_dropbits", both);
    auto masked = both;
    masked["dropbits"] = "point";
    add_both(fmt::format("srq_dropbits_w{0}a{0}", bits), "srq_dropbits", masked);
  }
  add_both("rq_w4a4", "srq_dropbits", {{"rule", "rq"}});
  add_both("hgq_layer", "hgq", {{"activation_granularity", "layer"}});
  add_both("bsq", "bsq", {{"finetune_share", "0"}, {"activation_bits", "32"}});
  add_both("bsq_a4", "bsq", {{"finetune_share", "0"}});
  const auto one_stage = [](const std::string& stage) {
    std::map<std::string, std::string> options{
        {"rounds", "1"},        {"basis_epochs", "0"},
        {"prune_epochs", "0"},  {"coordinate_epochs", "0"},
        {"polish_epochs", "0"}, {"polish_coordinate_epochs", "0"}};
    options[stage] = "1";
    return options;
  };
  add_both("alq_basis", "alq", one_stage("basis_epochs"));
  add_both("alq_coordinate", "alq", one_stage("coordinate_epochs"));
  for (const Data& data :
       {Data{"mlp_jet", {16}, 512}, Data{"mlp_jet", {16}, 33200},
        Data{"convnet_mnist", {1, 28, 28}, 256}, Data{"convnet_svhn", {3, 32, 32}, 256}}) {
    const std::string name = fmt::format("{} {}", data.model, data.batch);
    add(name + ": fp32", data, "fp32");
    add(name + ": hgq_element", data, "hgq");
    add(name + ": hgq_layer", data, "hgq", {{"activation_granularity", "layer"}});
    add(name + ": hgq_batch_norm", data, "hgq", {{"batch_norm", "yes"}});
  }
  add_subject("resnet20: python3-torch", [] { return std::make_unique<PythonTorch>(); });
  run_step_benchmarks(argc, argv);
}
