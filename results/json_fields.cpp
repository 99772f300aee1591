#include "results/json_fields.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/hexadecimal.h"

namespace quantbench {
namespace {

constexpr size_t kLongestText = 1 << 16;
constexpr int64_t kLargestCount = int64_t{1} << 53;

}  // namespace

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

}  // namespace quantbench
