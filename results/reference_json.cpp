#include "results/reference_json.h"

#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLongestText = 1 << 16;

struct Real {
  const char* name;
  std::optional<double> RunResult::*field;
  double high;  // at most; at least 0
};
constexpr Real kReals[] = {{"top1_fp32", &RunResult::top1_fp32, 1},
                           {"top1_simulated", &RunResult::top1_simulated, 1},
                           {"top1_shipped", &RunResult::top1_shipped, 1},
                           {"top5_simulated", &RunResult::top5_simulated, 1},
                           {"validation_top1", &RunResult::validation_top1, 1},
                           {"test_loss", &RunResult::test_loss, HUGE_VAL},
                           {"weight_bits_average", &RunResult::weight_bits_average, 64},
                           {"activation_bits_average", &RunResult::activation_bits_average, 64},
                           {"integer_share", &RunResult::integer_share, 1},
                           {"train_seconds", &RunResult::train_seconds, HUGE_VAL},
                           {"total_seconds", &RunResult::total_seconds, HUGE_VAL},
                           {"overhead", &RunResult::overhead, HUGE_VAL}};

struct Count {
  const char* name;
  std::optional<int64_t> RunResult::*field;
};
constexpr Count kCounts[] = {{"test_samples", &RunResult::test_samples},
                             {"size_bytes", &RunResult::size_bytes},
                             {"size_paper_bits", &RunResult::size_paper_bits},
                             {"size_paper_parameters", &RunResult::size_paper_parameters},
                             {"macs", &RunResult::macs},
                             {"bops", &RunResult::bops}};

struct Hash {
  const char* name;
  std::string RunResult::*field;
};
constexpr Hash kHashes[] = {{"weights_hash", &RunResult::weights_hash},
                            {"package_hash", &RunResult::package_hash},
                            {"predictions_hash", &RunResult::predictions_hash}};

struct ContractText {
  const char* name;
  std::string Contract::*field;
};
constexpr ContractText kContract[] = {{"baseline", &Contract::baseline},
                                      {"float_layers", &Contract::float_layers},
                                      {"eight_bit_layers", &Contract::eight_bit_layers},
                                      {"activation_bits", &Contract::activation_bits},
                                      {"calibration_hash", &Contract::calibration_hash},
                                      {"preprocessing_hash", &Contract::preprocessing_hash},
                                      {"training_budget", &Contract::training_budget}};

struct ProvenanceText {
  const char* name;
  std::string Provenance::*field;
};
constexpr ProvenanceText kProvenance[] = {{"source_revision", &Provenance::source_revision},
                                          {"compiler", &Provenance::compiler},
                                          {"compiler_flags", &Provenance::compiler_flags},
                                          {"build_type", &Provenance::build_type},
                                          {"cpu", &Provenance::cpu},
                                          {"gpu", &Provenance::gpu},
                                          {"isa", &Provenance::isa},
                                          {"blas", &Provenance::blas},
                                          {"os", &Provenance::os},
                                          {"device", &Provenance::device}};

// NaN and infinities, which JSON does not have, are absent.
Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

constexpr int64_t kLargestCount = int64_t{1} << 53;

}  // namespace

bool is_hexadecimal(std::string_view text, size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

JsonFields::JsonFields(const nlohmann::json& object, std::string what)
    : object_(object), what_(std::move(what)) {
  require(object.is_object(), "{} is not an object.", what_);
}

const nlohmann::json& JsonFields::at(const std::string& key) const {
  const auto found = object_.find(key);
  require(found != object_.end(), "{} has no '{}'.", what_, key);
  return *found;
}

std::string JsonFields::text(const std::string& key) const {
  const nlohmann::json& value = at(key);
  require(value.is_string(), "{}: '{}' is not a text.", what_, key);
  const auto& out = value.get_ref<const std::string&>();
  require(out.size() <= kLongestText, "{}: '{}' has {} bytes; at most {} are taken.", what_, key,
          out.size(), kLongestText);
  return out;
}

std::string JsonFields::hash(const std::string& key) const {
  std::string out = text(key);
  require(is_hexadecimal(out, 64), "{}: '{}' is not a SHA-256 of 64 hexadecimal digits.", what_,
          key);
  return out;
}

int64_t JsonFields::integer(const std::string& key, int64_t low, int64_t high) const {
  const nlohmann::json& value = at(key);
  const bool fits = value.is_number_unsigned()
                        ? value.get<uint64_t>() <= static_cast<uint64_t>(std::max<int64_t>(high, 0))
                        : value.is_number_integer() && value.get<int64_t>() <= high;
  require(fits && value.get<int64_t>() >= low, "{}: '{}' is not an integer from {} to {}.", what_,
          key, low, high);
  return value.get<int64_t>();
}

double JsonFields::number(const std::string& key) const {
  const nlohmann::json& value = at(key);
  require(value.is_number() && std::isfinite(value.get<double>()), "{}: '{}' is not a number.",
          what_, key);
  return value.get<double>();
}

std::optional<double> JsonFields::maybe_number(const std::string& key) const {
  return at(key).is_null() ? std::nullopt : std::optional<double>(number(key));
}

std::optional<int64_t> JsonFields::maybe_integer(const std::string& key) const {
  return at(key).is_null() ? std::nullopt : std::optional<int64_t>(integer(key, 0, kLargestCount));
}

bool JsonFields::flag(const std::string& key) const {
  require(at(key).is_boolean(), "{}: '{}' is neither true nor false.", what_, key);
  return at(key).get<bool>();
}

const nlohmann::json& JsonFields::list(const std::string& key, size_t most) const {
  const nlohmann::json& value = at(key);
  require(value.is_array(), "{}: '{}' is not a list.", what_, key);
  require(value.size() <= most, "{}: '{}' has {} elements; at most {} are taken.", what_, key,
          value.size(), most);
  return value;
}

Json result_json(const RunResult& result) {
  Json out;
  for (const Real& real : kReals) {
    const auto& value = result.*real.field;
    out[real.name] = value ? finite(*value) : Json(nullptr);
  }
  for (const Count& count : kCounts) {
    const auto& value = result.*count.field;
    out[count.name] = value ? Json(*value) : Json(nullptr);
  }
  Json& figures = out["figures"] = Json::object();
  for (const auto& [name, value] : result.figures) figures[name] = finite(value);
  for (const Hash& hash : kHashes) out[hash.name] = result.*hash.field;
  return out;
}

RunResult result_of(const JsonFields& fields) {
  RunResult out;
  for (const Real& real : kReals) {
    const auto value = fields.maybe_number(real.name);
    require(!value || (*value >= 0 && *value <= real.high), "{}: '{}' is not between 0 and {}.",
            fields.what(), real.name, real.high);
    out.*real.field = value;
  }
  for (const Count& count : kCounts) out.*count.field = fields.maybe_integer(count.name);
  const JsonFields figures(fields.at("figures"), fields.what() + ", figures");
  for (const auto& [name, value] : fields.at("figures").items())
    if (!value.is_null()) out.figures.emplace_back(name, figures.number(name));
  for (const Hash& hash : kHashes) out.*hash.field = fields.hash(hash.name);
  return out;
}

Json latency_json(const LatencyRow& row) {
  return {{"subject", row.subject},         {"kind", row.kind},
          {"engine", row.engine},           {"isa", row.isa},
          {"threads", row.threads},         {"batch", row.batch},
          {"median_ms", row.median_ms},     {"low_ms", finite(row.low_ms)},
          {"high_ms", finite(row.high_ms)}, {"repetitions", row.repetitions}};
}

LatencyRow latency_of(const JsonFields& fields) {
  LatencyRow out;
  out.subject = fields.text("subject");
  out.kind = fields.text("kind");
  out.engine = fields.text("engine");
  out.isa = fields.text("isa");
  out.threads = static_cast<int>(fields.integer("threads", 0, 1 << 20));
  out.batch = fields.integer("batch", 0, kLargestCount);
  out.median_ms = fields.number("median_ms");
  out.low_ms = fields.maybe_number("low_ms").value_or(NAN);
  out.high_ms = fields.maybe_number("high_ms").value_or(NAN);
  out.repetitions = fields.integer("repetitions", 0, kLargestCount);
  return out;
}

Json plain_contract_json(const Contract& contract) {
  Json out;
  for (const ContractText& text : kContract) out[text.name] = contract.*text.field;
  return out;
}

Contract contract_of_json(const JsonFields& fields) {
  Contract out;
  for (const ContractText& text : kContract) out.*text.field = fields.text(text.name);
  return out;
}

Json plain_provenance_json(const Provenance& provenance) {
  Json out;
  for (const ProvenanceText& text : kProvenance)
    out[text.name] = valid_utf8(provenance.*text.field);
  // The distribution; its kernel's build says more of a place than of a number.
  out["os"] = valid_utf8(provenance.os.substr(0, provenance.os.find(',')));
  out["source_dirty"] = provenance.source_dirty;
  out["libraries"] = provenance.libraries;
  out["threads"] = provenance.threads;
  return out;
}

Provenance provenance_of(const JsonFields& fields) {
  Provenance out;
  for (const ProvenanceText& text : kProvenance) out.*text.field = fields.text(text.name);
  out.source_dirty = fields.flag("source_dirty");
  const JsonFields libraries(fields.at("libraries"), fields.what() + ", libraries");
  for (const auto& [name, version] : fields.at("libraries").items())
    out.libraries[name] = libraries.text(name);
  out.threads = static_cast<int>(fields.integer("threads", 0, 1 << 20));
  return out;
}

}  // namespace quantbench
