#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/torch.h"
#include "bench/commands/commands.h"
#include "bench/data_source.h"
#include "bench/output.h"
#ifdef QUANTBENCH_ONNX_PEERS
#include "bench/onnx_peers.h"
#endif
#include "bench/package_latency.h"
#include "bench/provenance.h"
#include "datasets/dataset.h"

namespace quantbench {
namespace {

nlohmann::ordered_json json_of(const std::string& path, const PackageLatency& latency) {
  nlohmann::ordered_json out{{"package", path},
                             {"network", latency.network},
                             {"executor", latency.executor},
                             {"integer_share", latency.integer_share},
                             {"compile_ms", latency.compile_ms},
                             {"package_bytes", std::filesystem::file_size(path)},
                             {"packed_weight_bytes", latency.packed_weight_bytes},
                             {"arena_bytes", latency.arena_bytes},
                             {"integer_peak_gmacs", latency.integer_peak},
                             {"float_peak_gmacs", latency.float_peak},
                             {"distrust", latency.distrust}};
  for (const SubjectTimes& s : latency.subjects)
    out["subjects"].push_back({{"subject", s.subject},
                               {"kind", s.kind},
                               {"engine", s.engine},
                               {"isa", s.isa},
                               {"threads", s.threads},
                               {"batch", s.batch},
                               {"p50_ms", s.times.p50},
                               {"p90_ms", s.times.p90},
                               {"p99_ms", s.times.p99},
                               {"low_ms", s.times.low},
                               {"median_ms", s.times.median},
                               {"high_ms", s.times.high},
                               {"images_per_second", s.images_per_second()},
                               {"calls", s.times.calls}});
  for (const LayerTime& l : latency.layers)
    out["layers"].push_back({{"name", l.step.name},
                             {"kernel", l.step.kernel},
                             {"macs", l.step.macs},
                             {"us", l.microseconds},
                             {"gmacs", l.gmacs},
                             {"share_of_peak", l.share_of_peak}});
  return out;
}

void print(const std::string& path, const PackageLatency& latency) {
  say("{}: {}, {}; {:.1f} % of the MACs on integers; compiled in {:.1f} ms; file {} bytes, "
      "packed weights {}, arena {}\n",
      path, latency.network, latency.executor, 100 * latency.integer_share, latency.compile_ms,
      std::filesystem::file_size(path), latency.packed_weight_bytes, latency.arena_bytes);
  if (!latency.distrust.empty()) {
    say("  mistrusted, not timed: {}\n", latency.distrust);
    return;
  }
  say("  peak of one core: {:.1f} GMAC/s on integers, {:.1f} in FP32\n", latency.integer_peak,
      latency.float_peak);
  say("  {:<10} {:<26} {:<20} {:<12} {:>7} {:>6} {:>9} {:>9} {:>9} {:>10}\n", "subject", "kind",
      "engine", "isa", "threads", "batch", "p50 ms", "p90 ms", "p99 ms", "images/s");
  for (const SubjectTimes& s : latency.subjects)
    say("  {:<10} {:<26} {:<20} {:<12} {:>7} {:>6} {:>9.4f} {:>9.4f} {:>9.4f} {:>10.0f}\n",
        s.subject, s.kind, s.engine, s.isa, s.threads, s.batch, s.times.p50, s.times.p90,
        s.times.p99, s.images_per_second());
  say("  {:<28} {:<26} {:>10} {:>9} {:>8} {:>6}\n", "layer", "kernel", "MACs", "us", "GMAC/s",
      "peak");
  for (const LayerTime& l : latency.layers)
    say("  {:<28} {:<26} {:>10} {:>9.2f} {:>8.1f} {:>5.0f}%\n", l.step.name, l.step.kernel,
        l.step.macs, l.microseconds, l.gmacs, 100 * l.share_of_peak);
}

}  // namespace

int latency_command(const Arguments& arguments) {
  require(!arguments.operands.empty(), "'quantbench latency' takes one or more packages.");
  LatencyRequest request;
  request.isa = arguments.isa;
  request.batch = arguments.latency_batch;
  request.threads = torch::get_num_threads();
  std::unique_ptr<Dataset> dataset;
  if (arguments.recipe.count("dataset")) {
    const std::vector<Recipe> recipes = expand(arguments.recipe);
    require(recipes.size() == 1, "'quantbench latency' takes every key once.");
    require_used(arguments.recipe, recipes);
    const Recipe& recipe = recipes[0];
    dataset = open_dataset(recipe, data_root(arguments.runner.data));
    request.batch = std::min(request.batch, dataset->size(Split::Test));
    request.inputs = [&dataset](int64_t samples) {
      BatchRequest some;
      samples = std::min(samples, dataset->size(Split::Test));
      for (int64_t i = 0; i < samples; ++i) some.positions.push_back(i);
      return dataset->batch(Split::Test, some);
    };
  }
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  bool trusted = true;
  for (const std::string& path : arguments.operands) {
    const Package package = read_package(path);
#ifdef QUANTBENCH_ONNX_PEERS
    request.peers = onnx_peers(package);
#endif
    const PackageLatency latency = measure_package(package, request);
    trusted = trusted && latency.distrust.empty();
    if (arguments.json)
      all.push_back(json_of(path, latency));
    else
      print(path, latency);
  }
  if (arguments.json) say("{}\n", all.dump(2));
  return trusted ? 0 : 1;
}

}  // namespace quantbench
