#include "bench/package_latency.h"

#include <algorithm>
#include <chrono>

#include "bench/provenance.h"
#include "models/network.h"
#include "runtime/engine/isa.h"
#include "runtime/reference_executor.h"
#include "runtime/slots.h"

namespace quantbench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Tensor random_images(const std::vector<int64_t>& shape, int64_t count) {
  std::vector<int64_t> sizes{count};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  auto generator = at::detail::createCPUGenerator(1);
  return torch::randn(sizes, generator);
}

// The peak of one core in GMAC/s: the best of some short runs.
template <typename Peak, typename Number>
double peak_of(Peak peak, Number* sink) {
  constexpr int64_t kRounds = 100000;
  double best = 0;
  for (int i = 0; i < 20; ++i) {
    const auto begin = Clock::now();
    const int64_t macs = peak(kRounds, sink);
    best = std::max(best, static_cast<double>(macs) / seconds_since(begin) / 1e9);
  }
  return best;
}

std::shared_ptr<Network> network_of(const Package& twin) {
  auto network = std::make_shared<Network>(twin.graph);
  network->eval();
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : network->state())
    Tensor(tensor).copy_(twin.parameters.at(name));
  return network;
}

std::vector<LayerTime> layer_times(const EngineExecutor& executor, const Batch& one,
                                   const PackageLatency& so_far) {
  constexpr int kRepeats = 50;
  const std::vector<engine::StepInfo> steps = executor.program()->steps();
  const std::vector<double> seconds = executor.program()->time_steps(one, kRepeats);
  // A plan counts the MACs of a node where there are nodes.
  const int64_t rows = executor.plan().needs_topology ? one.topology->node_count() : 1;
  std::vector<LayerTime> out;
  for (size_t i = 0; i < steps.size(); ++i) {
    LayerTime layer;
    layer.step = steps[i];
    layer.microseconds = 1e6 * seconds[i];
    if (seconds[i] > 0) layer.gmacs = static_cast<double>(steps[i].macs * rows) / seconds[i] / 1e9;
    layer.share_of_peak =
        layer.gmacs / (steps[i].integer ? so_far.integer_peak : so_far.float_peak);
    out.push_back(layer);
  }
  return out;
}

}  // namespace

std::string latency_kind(const EngineExecutor& executor) {
  if (executor.integer_share() == 0) return "simulated";
  for (const engine::StepInfo& step : executor.program()->steps())
    if (step.kernel.find("reference") != std::string::npos || (step.macs > 0 && !step.integer))
      return "integer with float parts";
  return "integer fused";
}

Package float_twin(const Package& package) {
  Package twin;
  twin.graph = package.graph;
  twin.parameters = package.parameters;
  for (const ParameterSlot& slot : parameter_slots(package.graph)) {
    if (!slot.kind) continue;
    const auto encoded = package.weights.find({slot.node, *slot.kind});
    if (encoded != package.weights.end()) twin.parameters[slot.name] = decode(encoded->second);
  }
  return twin;
}

PackageLatency measure_package(const Package& package, const LatencyRequest& request) {
  const Package twin = float_twin(package);
  PackageLatency out;
  out.network = package.graph.name;

  const auto begin = Clock::now();
  const EngineExecutor engine(package, request.isa, 1);
  out.compile_ms = 1000 * seconds_since(begin);
  out.executor = engine.name();
  out.integer_share = engine.integer_share();
  const bool graphs = engine.plan().needs_topology;
  require(!graphs || request.inputs != nullptr,
          "The network {} passes messages: say on which graphs with --dataset.", out.network);
  out.packed_weight_bytes = static_cast<int64_t>(engine.program()->weight_bytes());

  const auto inputs = [&](int64_t samples) {
    if (request.inputs) return request.inputs(samples);
    Batch images;
    images.input = random_images(package.graph.input_shape, samples);
    return images;
  };
  const Batch checked = inputs(request.checked);
  const ReferenceExecutor reference(engine.plan());
  const Tensor expected = reference.forward(checked);
  if (!torch::equal(engine.forward(checked), expected)) {
    out.distrust = "The engine's answers differ from the reference's.";
    return out;
  }
  out.arena_bytes = static_cast<int64_t>(engine.program()->arena_bytes());

  const engine::KernelTable& kernels = engine.program()->kernels();
  std::vector<int32_t> integers(64);
  std::vector<float> floats(64);
  out.integer_peak = peak_of(kernels.peak_integer, integers.data());
  out.float_peak = peak_of(kernels.peak_float, floats.data());

  const std::shared_ptr<Network> network = network_of(twin);
  const int before = torch::get_num_threads();
  std::vector<int> thread_counts{1};
  if (request.threads > 1) thread_counts.push_back(request.threads);
  for (int threads : thread_counts) {
    const EngineExecutor integer(package, request.isa, threads);
    const EngineExecutor floating(twin, request.isa, threads);
    torch::set_num_threads(threads);
    std::vector<std::function<void(const Batch&)>> peers;
    for (const LatencyPeer& peer : request.peers) peers.push_back(peer.open(threads));
    for (int64_t batch : {int64_t{1}, request.batch}) {
      const Batch some = inputs(batch);
      std::vector<std::function<void()>> calls{[&] { integer.forward(some); },
                                               [&] { floating.forward(some); },
                                               [&] {
                                                 const torch::NoGradGuard no_grad;
                                                 network->forward(some);
                                               }};
      for (const auto& peer : peers) calls.emplace_back([&] { peer(some); });
      const std::vector<CallTimes> times = time_in_bursts(calls, request.bursts);
      const auto add = [&](const std::string& subject, const std::string& kind,
                           const std::string& engine_name, const std::string& isa, size_t i) {
        out.subjects.push_back({subject, kind, engine_name, isa, threads, batch, times[i]});
      };
      add("package", latency_kind(integer), "quantbench", kernels.name, 0);
      add("fp32 twin", "float", "quantbench", kernels.name, 1);
      add("fp32", "float", "LibTorch " TORCH_VERSION, isa_name(), 2);
      for (size_t p = 0; p < peers.size(); ++p) {
        const LatencyPeer& peer = request.peers[p];
        add(peer.subject, peer.kind, peer.engine, isa_name(), 3 + p);
      }
    }
  }
  torch::set_num_threads(before);
  out.layers = layer_times(engine, inputs(graphs ? request.batch : 1), out);
  return out;
}

}  // namespace quantbench
