// The engine's kernels alone, in GMAC/s and as a share of the peak that this process measures, for
// the convolutions of ResNet-20, 18 and 50; then ResNet-20 W8A8 and W4A4 whole, against LibTorch
// FP32 and the engine's own FP32 twin. Weights are random: nothing here depends on them.
#include <benchmark/benchmark.h>

#include <chrono>

#include "bench/package_latency.h"
#include "models/model.h"
#include "models/network.h"
#include "runtime/engine/isa.h"
#include "runtime/engine/pack.h"

namespace quantbench {
namespace {

struct Shape {
  const char* name;
  int64_t channels, outputs, size, kernel, stride;
};

constexpr Shape kShapes[] = {
    {"resnet20 conv1", 3, 16, 32, 3, 1},      {"resnet20 layer1", 16, 16, 32, 3, 1},
    {"resnet20 layer2.0", 16, 32, 32, 3, 2},  {"resnet20 layer2", 32, 32, 16, 3, 1},
    {"resnet20 layer3.0", 32, 64, 16, 3, 2},  {"resnet20 layer3", 64, 64, 8, 3, 1},
    {"resnet18 layer1", 64, 64, 56, 3, 1},    {"resnet18 layer2", 128, 128, 28, 3, 1},
    {"resnet18 layer3", 256, 256, 14, 3, 1},  {"resnet18 layer4", 512, 512, 7, 3, 1},
    {"resnet50 layer1 a", 256, 64, 56, 1, 1}, {"resnet50 layer2 c", 128, 512, 28, 1, 1},
    {"resnet50 layer4 a", 2048, 512, 7, 1, 1}};

double peak(const engine::KernelTable& kernels) {
  using Clock = std::chrono::steady_clock;
  std::vector<int32_t> sink(64);
  double best = 0;
  for (int i = 0; i < 20; ++i) {
    const auto begin = Clock::now();
    const int64_t macs = kernels.peak_integer(100000, sink.data());
    best = std::max(best, static_cast<double>(macs) /
                              std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

void convolution(benchmark::State& state, const engine::KernelTable& kernels, const Shape& shape,
                 double peak) {
  using namespace engine;
  const int64_t padding = shape.kernel / 2;
  const int64_t out = (shape.size + 2 * padding - shape.kernel) / shape.stride + 1;
  Layout x, y;
  x.cell = y.cell = kernels.has_bytes ? Cell::U8 : Cell::I16;
  x.channels = x.padded = shape.channels;
  x.height = x.width = shape.size;
  x.left = x.right = padding;
  y.channels = shape.outputs;
  y.padded = rounded_up(shape.outputs, kernels.lanes);
  y.height = y.width = out;
  std::vector<char> input(static_cast<size_t>(x.bytes()), 1),
      output(static_cast<size_t>(y.bytes()));
  const Geometry g{shape.kernel, shape.kernel, shape.stride, shape.stride,
                   padding,      padding,      out,          out};
  const PackedWeights packed = pack_weights(
      torch::randint(-127, 128, {shape.outputs, shape.channels, shape.kernel, shape.kernel},
                     torch::kInt),
      g, x, kernels.lanes);
  const std::vector<float> a(static_cast<size_t>(y.padded), 0.01f), b(a.size(), 0.5f);
  Epilogue epilogue;
  epilogue.a = a.data();
  epilogue.b = b.data();
  epilogue.high = 255;
  Convolution call;
  call.window = {shape.kernel, shape.kernel, shape.stride, padding, shape.size};
  call.pixels = out;
  call.total_pixels = out * out;
  call.start_x = -padding * x.pixel_bytes();
  call.step = shape.stride * x.pixel_bytes();
  call.run = packed.run;
  call.offsets = packed.offsets.data();
  call.weights = packed.bytes.data();
  call.start = packed.start.data();
  for (auto _ : state)
    kernels.convolve(call, x.input(input.data()), epilogue, y.output(output.data()),
                     {0, out, 0, packed.blocks});
  const double macs =
      static_cast<double>(shape.channels * shape.outputs * shape.kernel * shape.kernel * out * out);
  state.counters["GMAC/s"] = benchmark::Counter(
      macs / 1e9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["of peak"] = benchmark::Counter(
      macs / peak * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

UniformFormat format_of(Tensor scale, int64_t bits, bool is_signed) {
  UniformFormat format;
  format.granularity = scale.numel() == 1 ? Granularity::Tensor : Granularity::Channel;
  format.scale = std::move(scale);
  format.zero_point = torch::zeros(format.scale.sizes(), torch::kInt);
  format.bits = torch::full({1}, bits, torch::kByte);
  format.is_signed = format.narrow = is_signed;
  return format;
}

// Every weight a channel, every operand of a product; the input and its layer on 8 bits.
Package random_package(const std::string& model, int64_t bits) {
  const Network network(build_model(model, {{3, 32, 32}, 10}));
  Package package;
  package.graph = network.graph();
  for (const auto& [name, tensor] : network.state())
    package.parameters[name] = tensor.detach().clone();
  for (int i = 0; i <= package.graph.output(); ++i) {
    const Node& node = package.graph.nodes[static_cast<size_t>(i)];
    if (!std::holds_alternative<op::Conv2d>(node.operation) &&
        !std::holds_alternative<op::Linear>(node.operation))
      continue;
    const bool first = node.inputs[0] == 0;
    const int64_t width = first ? 8 : bits;
    const std::string name = node.scope + ".weight";
    const Tensor weight = package.parameters.at(name);
    const double most = static_cast<double>((int64_t{1} << (width - 1)) - 1);
    const UniformFormat format =
        format_of(weight.flatten(1).abs().amax(1) / most + 1e-6, width, true);
    package.weights[{i, PointKind::Weight}] = UniformEncoding{format, quantize(format, weight)};
    package.parameters.erase(name);
    UniformFormat operand = format_of(torch::full({1}, first ? 0.02f : 6.0f / 255), width, false);
    if (first) operand.zero_point.fill_(114);
    package.activations[{i, PointKind::Input}] = operand;
  }
  return package;
}

void print_network(const std::string& model, int64_t bits, int threads) {
  LatencyRequest request;
  request.threads = threads;
  const PackageLatency latency = measure_package(random_package(model, bits), request);
  fmt::print("\n{} W{}A{}: {}\n", model, bits, bits,
             latency.distrust.empty() ? latency.executor : latency.distrust);
  for (size_t i = 0; i + 2 < latency.subjects.size(); i += 3) {
    const SubjectTimes& package = latency.subjects[i];
    const double ms = package.times.median;
    fmt::print(
        "  threads {} batch {:>3}: package {:.4f} ms; {:.2f} times as fast as its FP32 twin, "
        "{:.2f} times as fast as LibTorch FP32\n",
        package.threads, package.batch, ms, latency.subjects[i + 1].times.median / ms,
        latency.subjects[i + 2].times.median / ms);
  }
  double integer = 0, macs = 0;
  for (const LayerTime& layer : latency.layers) {
    integer += layer.step.integer ? layer.microseconds : 0;
    macs += layer.step.integer ? static_cast<double>(layer.step.macs) : 0;
  }
  fmt::print("  layers on integers: {:.1f} GMAC/s, {:.0f} % of the peak ({:.1f})\n",
             macs / integer / 1e3, 100 * macs / integer / 1e3 / latency.integer_peak,
             latency.integer_peak);
}

}  // namespace
}  // namespace quantbench

int main(int argc, char** argv) {
  using namespace quantbench;
  torch::manual_seed(1);
  const int threads = torch::get_num_threads();
  torch::set_num_threads(1);
  benchmark::Initialize(&argc, argv);
  for (const engine::KernelTable* kernels : engine::usable_kernels()) {
    const double best = peak(*kernels);
    fmt::print("{}: {:.1f} GMAC/s on integers at best\n", kernels->name, best / 1e9);
    for (const Shape& shape : kShapes)
      benchmark::RegisterBenchmark(
          fmt::format("{}/{}", kernels->name, shape.name).c_str(),
          [=](benchmark::State& state) { convolution(state, *kernels, shape, best); })
          ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RunSpecifiedBenchmarks();
  for (int64_t bits : {8, 4}) print_network("resnet20", bits, threads);
  return 0;
}
