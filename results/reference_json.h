// The parts of reference files as JSON and back: one table of columns for both directions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "results/contract.h"
#include "results/store.h"

namespace quantbench {

// The members of one JSON object, checked as they are read. Every function throws Error, a sentence
// that begins with `what`, on a member that is missing or of another kind.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string what);

  const nlohmann::json& at(const std::string& key) const;
  std::string text(const std::string& key) const;  // at most 64 KiB, UTF-8
  std::string hash(const std::string& key) const;  // 64 hexadecimal digits
  int64_t integer(const std::string& key, int64_t low, int64_t high) const;
  double number(const std::string& key) const;
  std::optional<double> maybe_number(const std::string& key) const;  // null: none
  std::optional<int64_t> maybe_integer(const std::string& key) const;
  bool flag(const std::string& key) const;
  // An array of at most `most` elements.
  const nlohmann::json& list(const std::string& key, size_t most) const;
  const std::string& what() const { return what_; }

 private:
  const nlohmann::json& object_;
  std::string what_;
};

// Whether `text` is `digits` lower-case hexadecimal digits.
bool is_hexadecimal(std::string_view text, size_t digits);

nlohmann::ordered_json result_json(const RunResult& result);
RunResult result_of(const JsonFields& fields);

nlohmann::ordered_json latency_json(const LatencyRow& row);
LatencyRow latency_of(const JsonFields& fields);

nlohmann::ordered_json plain_contract_json(const Contract& contract);
Contract contract_of_json(const JsonFields& fields);

nlohmann::ordered_json plain_provenance_json(const Provenance& provenance);
Provenance provenance_of(const JsonFields& fields);

}  // namespace quantbench
