#include "base/error.h"
#include "bench/commands/commands.h"
#include "results/run_json.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.2f}", 100 * *share) : "-";
}

template <typename T>
std::string number(const std::optional<T>& value, const char* format = "{}") {
  return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

}  // namespace

Store existing_store(const Arguments& arguments) {
  require(std::filesystem::exists(arguments.runner.store),
          "There is no results database {} yet; 'quantbench run' makes one, --store names another.",
          arguments.runner.store.string());
  return Store(arguments.runner.store, Store::Access::Read);
}

int runs_command(const Arguments& arguments) {
  const Store store = existing_store(arguments);
  Json out = Json::array();
  if (!arguments.json)
    fmt::print("{:>5} {:<12} {:<12} {:<10} {:<10} {:>5} {:>7} {:>7} {:>7} {:>10} {:>6}\n", "run",
               "status", "method", "model", "dataset", "seed", "fp32", "simul.", "shipped", "bytes",
               "bits");
  for (const RunRecord& run : store.runs(arguments.filter)) {
    const RunResult r = store.result(run.id);
    if (arguments.json)
      out.push_back(summary_json(run, r));
    else
      fmt::print("{:>5} {:<12} {:<12} {:<10} {:<10} {:>5} {:>7} {:>7} {:>7} {:>10} {:>6}\n", run.id,
                 name_of(run.status), run.method, run.model, run.dataset, run.seed,
                 percent(r.top1_fp32), percent(r.top1_simulated), percent(r.top1_shipped),
                 number(r.size_bytes), number(r.weight_bits_average, "{:.2f}"));
  }
  if (arguments.json) fmt::print("{}\n", out.dump(2));
  return 0;
}

int show_command(const Arguments& arguments) {
  const int64_t id = run_operand(arguments);
  const Store store = existing_store(arguments);
  if (arguments.json) {
    fmt::print("{}\n", details_json(store, id).dump(2));
    return 0;
  }
  const RunRecord run = store.run(id);
  const RunResult r = store.result(id);
  fmt::print("run {} ({}), repetition {} of {:.12}\n", id, name_of(run.status), run.repetition,
             run.identity);
  if (!run.reason.empty()) fmt::print("  {}\n", run.reason);
  fmt::print("  {} version {} on {} / {}, seed {}\n", run.method, run.method_version, run.model,
             run.dataset, run.seed);
  fmt::print("  started {}, finished {}, {} s in all, {} s training ({} % of it not in steps)\n",
             run.started, run.finished.empty() ? "-" : run.finished,
             number(r.total_seconds, "{:.1f}"), number(r.train_seconds, "{:.1f}"),
             percent(r.overhead));
  fmt::print("\n  top-1 (%)        FP32 {}, simulated {}, shipped {} (of {} test samples)\n",
             percent(r.top1_fp32), percent(r.top1_simulated), percent(r.top1_shipped),
             number(r.test_samples));
  fmt::print(
      "  size             {} bytes (package file), {} bits of {} parameters (the paper's way)\n",
      number(r.size_bytes), number(r.size_paper_bits), number(r.size_paper_parameters));
  for (const auto& [name, value] : r.figures) fmt::print("  {:<16} {:.10g}\n", name, value);
  fmt::print(
      "  bits             weights {}, activations {}; {} MACs, {} BOPs, {} % of MACs on integers\n",
      number(r.weight_bits_average, "{:.3f}"), number(r.activation_bits_average, "{:.3f}"),
      number(r.macs), number(r.bops), percent(r.integer_share));
  for (const LatencyRow& l : store.latencies(id))
    fmt::print(
        "  latency          {} {:.3f} ms ({:.3f}..{:.3f}) for a batch of {} [{}, {}, {}, {} "
        "thread(s)]\n",
        l.subject, l.median_ms, l.low_ms, l.high_ms, l.batch, l.kind, l.engine, l.isa, l.threads);
  const auto sites = store.sites(id);
  if (!sites.empty())
    fmt::print("\n  {:<32} {:<10} {:>8} {:>10} {:>12} {:>7}\n", "site", "encoding", "bits",
               "elements", "MACs", "levels");
  for (const SiteRow& s : sites)
    fmt::print("  {:<32} {:<10} {:>8.3f} {:>10} {:>12} {:>7}\n", s.name, s.encoding, s.bits,
               s.elements, s.macs, s.levels ? std::to_string(s.levels) : "");
  for (const auto& [name, text] : store.artefacts(id)) fmt::print("\n  {}:\n{}\n", name, text);
  const Provenance& p = run.provenance;
  fmt::print("\n  data             {:.16} ({})\n", run.dataset_fingerprint, run.preprocessing);
  fmt::print("  source           {}{}, {}, {}\n", p.source_revision,
             p.source_dirty ? " (changed)" : "", p.compiler, p.build_type);
  fmt::print("  machine          {}, {}, {} thread(s), {}, {}\n", p.cpu, p.isa, p.threads, p.device,
             p.os);
  fmt::print("  BLAS             {}\n", p.blas);
  fmt::print("\n  again            quantbench replay {}\n\n{}", id, run.recipe);
  return 0;
}

}  // namespace quantbench
