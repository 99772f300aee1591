// The part of a session that packages the frozen network and measures it on both sides.
#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/safe_name.h"
#include "base/sha256.h"
#include "bench/accuracy.h"
#include "bench/data_source.h"
#include "bench/latency.h"
#include "bench/onnx_files.h"
#include "bench/oracle.h"
#include "bench/package_latency.h"
#include "bench/session.h"
#include "runtime/reference_executor.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

// Simulation adds floats in another order than packages add integers, so a value on the edge
// between two codes may fall to either side. That is rare, unless a grid lies on what is a lattice
// already (the sums of a quantized convolution before their BatchNorm): there, edges are met
// exactly. So where more than one answer in a thousand differs, beyond a chance few, the simulation
// is held against itself with activations one part in a million larger, which moves nothing else.
constexpr double kMostDifferent = 0.001;
constexpr int64_t kChanceDifferences = 2;
constexpr double kNudge = 1e-6;

constexpr int64_t kOfflineBatch = 64;

// The share of answers that differ.
double differences(const PredictionRow& a, const PredictionRow& b) {
  double different = 0;
  for (size_t i = 0; i < a.predicted.size(); ++i) different += a.predicted[i] != b.predicted[i];
  return a.predicted.empty() ? 0 : different / static_cast<double>(a.predicted.size());
}

std::string hash_of(const PredictionRow& row) {
  return Sha256().update(row.predicted.data(), row.predicted.size() * sizeof(int32_t)).hex();
}

}  // namespace

Accuracy Session::measure(const std::string& title, const std::string& kind,
                          const Classifier& classifier, torch::Device device, Split split,
                          DataParallel* parallel) {
  EvaluationConfig config;
  config.split = split;
  config.batch = recipe_.values.integer("evaluation.batch");
  if (split == Split::Test) config.samples = recipe_.values.integer("evaluation.samples");
  config.kind = kind;
  config.device = device;
  config.parallel = parallel;
  config.loader_threads = loader_threads(recipe_, dataset_);
  const int64_t total = dataset_.size(split);
  display_.begin(title, config.samples ? std::min(total, config.samples) : total);
  Accuracy out = measure_accuracy(dataset_, config, classifier,
                                  [&](int64_t done, int64_t) { display_.update(done); });
  display_.end();
  return out;
}

Shipped Session::ship(const fs::path& path) {
  Shipped out;
  out.weights_hash = quantbench::hash_of(snapshot(*network_));
  network_->to(torch::kCPU);
  out.packaged = make_package(*network_, *method_);
  const MethodCard& card = methods().get(recipe_.method).card;
  out.packaged.package.notes = {{"method", card.name},
                                {"method_version", std::to_string(card.version)},
                                {"recipe", sha256(recipe_.canonical())}};
  out.size_bytes = static_cast<int64_t>(write_package(path, out.packaged.package));
  out.package_hash = sha256_file(path);
  return out;
}

void Session::finish(SessionResult& out) {
  RunResult& r = out.result;
  if (facts_.contains("top1_fp32")) r.top1_fp32 = facts_["top1_fp32"].get<double>();
  Accuracy simulated = measure(
      "Simulated accuracy", "simulated", [&](const Batch& b) { return network_->forward(b); },
      device_);
  r.top1_simulated = simulated.top1();
  r.top5_simulated = simulated.top5();
  r.test_loss = simulated.loss;
  r.test_samples = simulated.samples;
  r.predictions_hash = hash_of(simulated.predictions);
  if (simulated.not_finite)
    out.doubts.push_back("The simulated network gives logits or a loss that are not finite.");

  const fs::path path = config_.folder / "package.safetensors";
  Shipped shipped_file = ship(path);
  Packaged& packaged = shipped_file.packaged;
  r.weights_hash = shipped_file.weights_hash;
  r.size_bytes = shipped_file.size_bytes;
  r.package_hash = shipped_file.package_hash;
  r.size_paper_bits = std::llround(packaged.paper_size.bits);
  r.size_paper_parameters = packaged.paper_size.parameters;
  r.figures = method_->figures();
  if (simulated.samples < dataset_.size(Split::Test))
    r.figures.emplace_back("test_share", static_cast<double>(simulated.samples) /
                                             static_cast<double>(dataset_.size(Split::Test)));
  if (facts_.contains("validation_top1")) r.validation_top1 = facts_["validation_top1"];
  double total = 0, stepping = 0;
  for (const auto& seconds : facts_["seconds"]) {
    total += seconds.at(0).get<double>();
    stepping += seconds.at(1).get<double>();
  }
  if (stepping > 0) r.overhead = 1 - stepping / total;
  r.weight_bits_average = packaged.weight_bits_average;
  r.activation_bits_average = packaged.activation_bits_average;
  r.macs = packaged.macs;
  r.bops = packaged.bops;
  out.sites = std::move(packaged.sites);
  for (std::string& doubt : packaged.doubts) out.doubts.push_back(std::move(doubt));

  const EngineExecutor executor(read_package(path));
  r.integer_share = executor.integer_share();
  Accuracy shipped = measure(
      fmt::format("Shipped accuracy ({} executor)", executor.name()), "shipped",
      [&](const Batch& b) { return executor.forward(b); }, torch::kCPU);
  r.top1_shipped = shipped.top1();
  if (shipped.not_finite)
    out.doubts.push_back("The shipped package gives logits or a loss that are not finite.");
  const double different = differences(simulated.predictions, shipped.predictions);
  if (different > kMostDifferent &&
      different * static_cast<double>(shipped.samples) > kChanceDifferences) {
    network_->compute().nudge = kNudge;
    const Accuracy nudged = measure(
        "Answers that stand on edges", "simulated",
        [&](const Batch& b) { return network_->forward(b); }, device_);
    network_->compute().nudge = 0;
    const double explained =
        kMostDifferent + 2 * differences(simulated.predictions, nudged.predictions);
    if (different > explained)
      out.doubts.push_back(
          fmt::format("The shipped package answers differently from the simulation on {:.2f} % of "
                      "the test samples, where rounding explains {:.2f} %.",
                      100 * different, 100 * explained));
  }
  r.figures.emplace_back("equal_answers", 1 - different);
  const ReferenceExecutor reference(executor.plan());
  const OracleVerdict verdict =
      consult_oracle(executor, reference, dataset_, Split::Test,
                     recipe_.values.integer("evaluation.oracle"), recipe_.seed);
  if (verdict.different > 0)
    out.doubts.push_back(
        fmt::format("The {} answers differently from the reference executor on {} of {} test "
                    "samples.",
                    executor.name(), verdict.different, verdict.samples));
  out.predictions = {std::move(simulated.predictions), std::move(shipped.predictions)};
  out.artefacts = method_->artefacts();
  out.artefacts["shipped.json"] = nlohmann::json{
      {"executor", executor.name()},
      {"samples", shipped.samples},
      {"oracle_samples", verdict.samples},
      {"oracle_different",
       verdict.different}}.dump();
  out.artefacts["calibration.json"] = nlohmann::json{
      {"samples", std::count(calibrated_on_.begin(), calibrated_on_.end(), '\n')},
      {"sha256", sha256(calibrated_on_)}}.dump();
  write_atomically(config_.folder / "calibration.txt", calibrated_on_);
  if (facts_.contains("fp32")) out.artefacts["fp32.json"] = facts_["fp32"].dump();
  write_onnx_files(executor, out);
  for (const auto& [name, text] : out.artefacts)
    write_atomically(config_.folder / safe_name(name, "an artefact"), text);
  // A time beside wrong answers would only mislead.
  if (recipe_.values.flag("latency") && out.doubts.empty()) out.latencies = latencies(executor);
}

void Session::write_onnx_files(const EngineExecutor& executor, SessionResult& out) {
  const std::vector<OnnxKind> kinds = onnx_kinds(recipe_.values.text("convert"));
  if (kinds.empty()) return;
  std::map<std::string, std::string> origin{
      {"package", out.result.package_hash}, {"run", config_.run}, {"dataset", recipe_.dataset}};
  if (out.result.top1_shipped) origin["top1"] = fmt::format("{:.6f}", *out.result.top1_shipped);
  nlohmann::json files = nlohmann::json::array();
  for (const OnnxKind kind : kinds) {
    stop_if_interrupted("writing ONNX files");
    OracleSamples samples(dataset_, Split::Test, recipe_.values.integer("evaluation.oracle"),
                          recipe_.seed);
    const OnnxFile file =
        write_onnx_file(executor, config_.folder / "package.safetensors", kind, origin, samples);
    files.push_back({{"kind", name_of(kind)},
                     {"file", file.name},
                     {"bytes", file.bytes},
                     {"sha256", file.sha256},
                     {"check", file.check}});
  }
  out.artefacts["onnx.json"] = files.dump();
}

std::vector<LatencyRow> Session::latencies(const EngineExecutor& executor) {
  const torch::NoGradGuard no_grad;
  const auto first = [&](int64_t count) {
    BatchRequest request;
    for (int64_t i = 0; i < count; ++i) request.positions.push_back(i);
    return dataset_.batch(Split::Test, request);
  };
  const int64_t size =
      std::min(recipe_.values.integer("latency.batch"), dataset_.size(Split::Test));
  const int64_t offline = std::min(kOfflineBatch, dataset_.size(Split::Test));
  const Batch batch = first(size), many = first(offline);
  // A network that answers for the nodes of one graph sees all of it at once: that is no batch.
  const bool samples = !many.scored_rows.defined();
  const auto simulation = [&](bool taps, const Batch& of) {
    return [this, taps, &of] {
      const torch::NoGradGuard inner;
      network_->enable_taps(taps);
      network_->forward(of);
    };
  };
  const std::string libtorch = "LibTorch " TORCH_VERSION;
  std::vector<LatencyRow> rows = measure_latency(
      {{"fp32", "simulated", libtorch, simulation(false, batch), simulation(false, many)},
       {"fake_quantized", "simulated", libtorch, simulation(true, batch), nullptr},
       {"package", latency_kind(executor), executor.name(), [&] { executor.forward(batch); },
        [&] { executor.forward(many); }}},
      size, samples ? offline : 0);
  network_->enable_taps(true);
  return rows;
}

}  // namespace quantbench
