#include "results/record_json.h"

#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kLargestCount = int64_t{1} << 53;

// A number of RunResult: real, from 0 to `high`, or a count.
struct Figure {
  const char* name;
  std::optional<double> RunResult::*real = nullptr;
  double high = HUGE_VAL;
  std::optional<int64_t> RunResult::*count = nullptr;
};
constexpr Figure real(const char* name, std::optional<double> RunResult::*field,
                      double high = HUGE_VAL) {
  return {name, field, high, nullptr};
}
constexpr Figure count(const char* name, std::optional<int64_t> RunResult::*field) {
  return {name, nullptr, HUGE_VAL, field};
}
constexpr Figure kFigures[] = {
    real("top1_fp32", &RunResult::top1_fp32, 1),
    real("top1_simulated", &RunResult::top1_simulated, 1),
    real("top1_shipped", &RunResult::top1_shipped, 1),
    real("top5_simulated", &RunResult::top5_simulated, 1),
    real("validation_top1", &RunResult::validation_top1, 1),
    real("test_loss", &RunResult::test_loss),
    count("test_samples", &RunResult::test_samples),
    count("size_bytes", &RunResult::size_bytes),
    count("size_paper_bits", &RunResult::size_paper_bits),
    count("size_paper_parameters", &RunResult::size_paper_parameters),
    real("weight_bits_average", &RunResult::weight_bits_average, 64),
    real("activation_bits_average", &RunResult::activation_bits_average, 64),
    count("macs", &RunResult::macs),
    count("bops", &RunResult::bops),
    real("integer_share", &RunResult::integer_share, 1),
    real("train_seconds", &RunResult::train_seconds),
    real("total_seconds", &RunResult::total_seconds),
    real("overhead", &RunResult::overhead)};

template <typename Record>
struct Text {
  const char* name;
  std::string Record::*field;
};
constexpr Text<RunResult> kHashes[] = {{"weights_hash", &RunResult::weights_hash},
                                       {"package_hash", &RunResult::package_hash},
                                       {"predictions_hash", &RunResult::predictions_hash}};
constexpr Text<Contract> kContract[] = {{"baseline", &Contract::baseline},
                                        {"float_layers", &Contract::float_layers},
                                        {"eight_bit_layers", &Contract::eight_bit_layers},
                                        {"activation_bits", &Contract::activation_bits},
                                        {"calibration_hash", &Contract::calibration_hash},
                                        {"preprocessing_hash", &Contract::preprocessing_hash},
                                        {"training_budget", &Contract::training_budget}};
constexpr Text<Provenance> kProvenance[] = {{"source_revision", &Provenance::source_revision},
                                            {"compiler", &Provenance::compiler},
                                            {"compiler_flags", &Provenance::compiler_flags},
                                            {"build_type", &Provenance::build_type},
                                            {"cpu", &Provenance::cpu},
                                            {"gpu", &Provenance::gpu},
                                            {"isa", &Provenance::isa},
                                            {"blas", &Provenance::blas},
                                            {"os", &Provenance::os},
                                            {"device", &Provenance::device}};
constexpr Text<LatencyRow> kLatency[] = {{"subject", &LatencyRow::subject},
                                         {"kind", &LatencyRow::kind},
                                         {"engine", &LatencyRow::engine},
                                         {"isa", &LatencyRow::isa}};

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json number(const std::optional<double>& value) { return value ? finite(*value) : Json(nullptr); }
Json number(const std::optional<int64_t>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

Json result_json(const RunResult& result) {
  Json out;
  for (const Figure& f : kFigures)
    out[f.name] = f.real ? number(result.*f.real) : number(result.*f.count);
  Json& figures = out["figures"] = Json::object();
  for (const auto& [name, value] : result.figures) figures[name] = finite(value);
  for (const auto& hash : kHashes) out[hash.name] = result.*hash.field;
  return out;
}

RunResult result_of(const JsonFields& fields) {
  RunResult out;
  for (const Figure& f : kFigures) {
    if (f.count) {
      out.*f.count = fields.maybe_integer(f.name);
      continue;
    }
    const auto value = fields.maybe_number(f.name);
    require(!value || (*value >= 0 && *value <= f.high), "{}: '{}' is not between 0 and {}.",
            fields.what(), f.name, f.high);
    out.*f.real = value;
  }
  const JsonFields figures(fields.at("figures"), fields.what() + ", figures");
  for (const auto& [name, value] : fields.at("figures").items())
    if (!value.is_null()) out.figures.emplace_back(name, figures.number(name));
  for (const auto& hash : kHashes) out.*hash.field = fields.hash(hash.name);
  return out;
}

Json latency_json(const LatencyRow& row) {
  Json out;
  for (const auto& text : kLatency) out[text.name] = row.*text.field;
  out["threads"] = row.threads;
  out["batch"] = row.batch;
  out["median_ms"] = row.median_ms;
  out["low_ms"] = finite(row.low_ms);
  out["high_ms"] = finite(row.high_ms);
  out["repetitions"] = row.repetitions;
  out["p50_ms"] = number(row.p50_ms);
  out["p90_ms"] = number(row.p90_ms);
  out["p99_ms"] = number(row.p99_ms);
  out["offline_batch"] = number(row.offline_batch);
  out["offline_per_second"] = number(row.offline_per_second);
  return out;
}

LatencyRow latency_of(const JsonFields& fields) {
  LatencyRow out;
  for (const auto& text : kLatency) out.*text.field = fields.text(text.name);
  out.threads = static_cast<int>(fields.integer("threads", 0, 1 << 20));
  out.batch = fields.integer("batch", 0, kLargestCount);
  out.median_ms = fields.number("median_ms");
  out.low_ms = fields.maybe_number("low_ms").value_or(NAN);
  out.high_ms = fields.maybe_number("high_ms").value_or(NAN);
  out.repetitions = fields.integer("repetitions", 0, kLargestCount);
  out.p50_ms = fields.maybe_number("p50_ms");
  out.p90_ms = fields.maybe_number("p90_ms");
  out.p99_ms = fields.maybe_number("p99_ms");
  out.offline_batch = fields.maybe_integer("offline_batch");
  out.offline_per_second = fields.maybe_number("offline_per_second");
  return out;
}

Json contract_json(const Contract& contract) {
  Json out;
  for (const auto& text : kContract) out[text.name] = contract.*text.field;
  return out;
}

Contract contract_of(const JsonFields& fields) {
  Contract out;
  for (const auto& text : kContract) out.*text.field = fields.text(text.name);
  return out;
}

Json provenance_json(const Provenance& provenance) {
  Json out;
  for (const auto& text : kProvenance) out[text.name] = provenance.*text.field;
  out["source_dirty"] = provenance.source_dirty;
  out["libraries"] = provenance.libraries;
  out["threads"] = provenance.threads;
  return out;
}

Provenance provenance_of(const JsonFields& fields) {
  Provenance out;
  for (const auto& text : kProvenance) out.*text.field = fields.text(text.name);
  out.source_dirty = fields.flag("source_dirty");
  const JsonFields libraries(fields.at("libraries"), fields.what() + ", libraries");
  for (const auto& [name, version] : fields.at("libraries").items())
    out.libraries[name] = libraries.text(name);
  out.threads = static_cast<int>(fields.integer("threads", 0, 1 << 20));
  return out;
}

}  // namespace quantbench
