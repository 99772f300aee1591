// Weights +1 and -1 with numbers of 1, 2 and 4 bits, by counting bits and as bytes: the same
// layers, the same kernels' epilogue, in turns.
#include <fmt/format.h>

#include "bench/burst_timing.h"
#include "runtime/engine/bit_steps.h"
#include "runtime/engine/isa.h"

namespace quantbench {
namespace {

using namespace engine;

struct Shape {
  int64_t size, channels;
};

void compare(const KernelTable& kernels, const BitKernels& bits, const Shape& shape) {
  const Geometry g{3, 3, 1, 1, 1, 1, shape.size, shape.size};
  Layout x;
  x.cell = Cell::U8;
  x.channels = x.padded = shape.channels;
  x.height = x.width = shape.size;
  Layout y = x;
  x.left = x.right = 1;
  const Layout cut = sliced(x, 4);
  EpilogueData end;
  end.a.assign(static_cast<size_t>(y.padded), 0.01f);
  end.b.assign(static_cast<size_t>(y.padded), 0.0f);
  end.quantized = end.bounded = true;
  end.high = 255;
  const Tensor weights =
      2 * torch::randint(0, 2, {shape.channels, shape.channels, 3, 3}, torch::kInt) - 1;
  const Operand in{0, x}, out{2, y};
  const auto bytes = convolution_step(kernels, weights, g, in, end, out);
  std::vector<char> a(static_cast<size_t>(x.bytes()), 1), b(static_cast<size_t>(cut.bytes())),
      c(static_cast<size_t>(y.bytes()));
  Frame frame;
  frame.values = {a.data(), b.data(), c.data()};
  std::vector<std::unique_ptr<ProgramStep>> steps;
  std::vector<std::function<void()>> calls{[&] { bytes->run(frame, 0, 1); }};
  const std::vector<int> widths{1, 2, 4};
  for (const int planes : widths) {
    const Operand slices{1, sliced(x, planes)};
    steps.push_back(slice_step(bits, in, planes, slices));
    steps.push_back(bit_step(kernels, bits, weights, g, in, planes, slices, end, out));
    const ProgramStep *slice = steps[steps.size() - 2].get(), *product = steps.back().get();
    calls.emplace_back([&frame, slice, product] {
      slice->run(frame, 0, 1);
      product->run(frame, 0, 1);
    });
  }
  const std::vector<CallTimes> times = time_in_bursts(calls);
  fmt::print("  3x3, {0} -> {0} channels, {1} x {1}: bytes {2:.2f} us", shape.channels, shape.size,
             1000 * times[0].median);
  for (size_t i = 0; i < widths.size(); ++i)
    fmt::print("; W1A{} {:.2f} us, {:.2f} times as fast", widths[i], 1000 * times[i + 1].median,
               times[0].median / times[i + 1].median);
  fmt::print("\n");
}

}  // namespace
}  // namespace quantbench

int main() {
  using namespace quantbench;
  torch::set_num_threads(1);
  for (const engine::KernelTable* kernels : engine::usable_kernels()) {
    const engine::BitKernels* bits = engine::bit_kernels(*kernels);
    if (!kernels->has_bytes || !bits) continue;
    fmt::print("{} and {}, slicing included:\n", kernels->name, bits->name);
    for (const Shape& shape :
         {Shape{32, 32}, Shape{16, 64}, Shape{8, 64}, Shape{16, 128}, Shape{8, 256}})
      compare(*kernels, *bits, shape);
  }
  return 0;
}
