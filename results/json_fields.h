// The members of a JSON object from a file, checked as they are read.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace quantbench {

// Every function throws Error, a sentence that begins with `what`, on a member that is missing or
// of another kind.
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

}  // namespace quantbench
