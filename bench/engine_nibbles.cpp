// Linear layers of one image with weights of four bits, unpacked in registers and as bytes: the
// same layer, in turns, and whether a program's own measurement takes the faster one.
#include <fmt/format.h>

#include "bench/burst_timing.h"
#include "models/builder.h"
#include "models/network.h"
#include "runtime/engine/isa.h"
#include "runtime/engine/program.h"
#include "runtime/package.h"

namespace quantbench {
namespace {

Package layer(int64_t in, int64_t out) {
  GraphBuilder g("layer", {in}, out);
  g.linear("fc", g.input(), out);
  Package package;
  package.graph = std::move(g).build();
  const Network network(package.graph);
  for (const auto& [name, tensor] : network.state())
    package.parameters[name] = tensor.detach().clone();
  package.parameters.erase("fc.weight");
  UniformFormat weights;
  weights.scale = torch::full({1}, 0.01f);
  weights.zero_point = torch::zeros({1}, torch::kInt);
  weights.bits = torch::full({1}, 4, torch::kByte);
  weights.is_signed = true;
  UniformFormat numbers = weights;
  numbers.bits = torch::full({1}, 8, torch::kByte);
  numbers.is_signed = false;
  const int fc = package.graph.index_of("fc");
  package.weights[{fc, PointKind::Weight}] =
      UniformEncoding{weights, torch::randint(-8, 8, {out, in}, torch::kInt)};
  package.activations[{fc, PointKind::Input}] = numbers;
  package.activations[{fc, PointKind::Output}] = numbers;
  return package;
}

void compare(const engine::KernelTable& kernels, int64_t in, int64_t out) {
  using engine::Bits;
  const Plan plan = make_plan(layer(in, out));
  engine::Program bytes(plan, kernels, Bits::Never), nibbles(plan, kernels, Bits::Always),
      chosen(plan, kernels, Bits::Measured);
  engine::ThreadTeam team(1);
  const Tensor x = torch::rand({1, in});
  const std::vector<CallTimes> times =
      time_in_bursts({[&] { bytes.run(x, team); }, [&] { nibbles.run(x, team); }});
  std::string kernel;
  for (const engine::StepInfo& step : chosen.steps())
    if (step.macs > 0) kernel = step.kernel;
  fmt::print(
      "  {} -> {}: {} bytes of weights {:.1f} us, {} bytes {:.1f} us: {:.2f} times as fast; "
      "taken: {}\n",
      in, out, bytes.weight_bytes(), 1000 * times[0].median, nibbles.weight_bytes(),
      1000 * times[1].median, times[0].median / times[1].median, kernel);
}

}  // namespace
}  // namespace quantbench

int main() {
  using namespace quantbench;
  torch::set_num_threads(1);
  for (const engine::KernelTable* kernels : engine::usable_kernels()) {
    if (kernels == &engine::portable_kernels()) continue;
    fmt::print("{}, one image, one thread:\n", kernels->name);
    for (const auto& [in, out] :
         {std::pair<int64_t, int64_t>{800, 500}, {2048, 1000}, {4096, 4096}, {9216, 4096}})
      compare(*kernels, in, out);
  }
  return 0;
}
