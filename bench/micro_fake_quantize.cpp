// Quantizing one activation in training, forward and backward, on ResNet-20's largest one at batch
// 128: the fused functions against torch::relu (which they replace) and against the same rule
// composed of tensor operations. Read ratios within one run, not times.
#include <benchmark/benchmark.h>

#include <functional>

#include "base/torch.h"
#include "methods/common/fake_quantize.h"
#include "methods/common/range.h"

namespace quantbench {
namespace {

using Forward = std::function<Tensor(const Tensor& x, const Tensor& parameter)>;

constexpr StraightThrough kRelu{true, 0, false};

UniformFormat four_bits() {
  return uniform_format({Granularity::Tensor, torch::zeros({1}), torch::full({1}, 2.5f)},
                        BitWidth(4), Scheme::Affine);
}

Tensor composed(const Tensor& x, const Tensor& scale) {
  const Tensor rectified = torch::relu(x);
  const Tensor clipped = torch::clamp(rectified / scale, 0, 15);
  return ((torch::round(clipped) - clipped).detach() + clipped) * scale;
}

void run(benchmark::State& state, const Forward& forward, bool with_parameter) {
  torch::manual_seed(1);
  const Tensor x = torch::randn({128, 16, 32, 32})
                       .contiguous(torch::MemoryFormat::ChannelsLast)
                       .requires_grad_();
  const Tensor gradient = torch::randn_like(x);
  const Tensor parameter = torch::full({1}, 2.5f / 15).requires_grad_(with_parameter);
  for (auto _ : state) {
    x.mutable_grad() = Tensor();
    forward(x, parameter).backward(gradient);
    benchmark::DoNotOptimize(x.grad().data_ptr());
  }
  state.SetBytesProcessed(state.iterations() * x.numel() * 4);
}

void relu(benchmark::State& state) {
  run(
      state, [](const Tensor& x, const Tensor&) { return torch::relu(x); }, false);
}
void fused_straight_through(benchmark::State& state) {
  const UniformFormat format = four_bits();
  run(
      state, [&](const Tensor& x, const Tensor&) { return fake_quantize(x, format, kRelu); },
      false);
}
void fused_straight_through_observed(benchmark::State& state) {
  const UniformFormat format = four_bits();
  run(
      state,
      [&](const Tensor& x, const Tensor&) {
        return fake_quantize_observed(x, format, kRelu).value;
      },
      false);
}
void fused_lsq(benchmark::State& state) {
  const UniformFormat grid = four_bits();
  run(
      state,
      [&](const Tensor& x, const Tensor& scale) {
        return learned_step_quantize(x, scale, grid, 1e-3, kRelu);
      },
      true);
}
void fused_pact(benchmark::State& state) {
  run(
      state,
      [](const Tensor& x, const Tensor& alpha) { return pact_quantize(x, alpha, BitWidth(4)); },
      true);
}
void composed_straight_through(benchmark::State& state) { run(state, composed, false); }

BENCHMARK(relu)->UseRealTime();
BENCHMARK(fused_straight_through)->UseRealTime();
BENCHMARK(fused_straight_through_observed)->UseRealTime();
BENCHMARK(fused_lsq)->UseRealTime();
BENCHMARK(fused_pact)->UseRealTime();
BENCHMARK(composed_straight_through)->UseRealTime();

}  // namespace
}  // namespace quantbench

BENCHMARK_MAIN();
