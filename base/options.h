// Declared options of a method, model or dataset: name, default, what values are allowed, one line
// of help. Values arrive as text (from a recipe or the command line) and are checked when they are
// bound.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace quantbench {

struct Option {
  enum class Kind { Integer, Real, Flag, Choice, Text };

  std::string name;
  Kind kind = Kind::Text;
  std::string default_value;
  std::string help;
  double low = 0, high = 0;          // bounds, both inclusive, of Integer and Real
  std::vector<std::string> choices;  // of Choice

  static Option integer(std::string name, int64_t value, int64_t low, int64_t high,
                        std::string help);
  static Option real(std::string name, double value, double low, double high, std::string help);
  static Option flag(std::string name, bool value, std::string help);
  static Option choice(std::string name, std::string value, std::vector<std::string> choices,
                       std::string help);
  static Option text(std::string name, std::string value, std::string help);

  // "1..16", "minmax | percentile", "yes | no", "text".
  std::string allowed() const;
};

class OptionValues {
 public:
  // Binds `given` over the defaults of `declared`. `owner` ("method uniform") starts every error.
  // Throws Error on an unknown name, a value that does not parse or one out of range.
  OptionValues(std::string owner, std::vector<Option> declared,
               const std::map<std::string, std::string>& given = {});
  OptionValues() = default;

  // Throw Error (a programming error) when `name` is not declared with that kind.
  int64_t integer(const std::string& name) const;
  double real(const std::string& name) const;
  bool flag(const std::string& name) const;
  const std::string& text(const std::string& name) const;  // Choice and Text

  // Every option with its value in canonical spelling, in name order: part of a run's identity.
  const std::map<std::string, std::string>& canonical() const { return values_; }

 private:
  const std::string& value(const std::string& name, Option::Kind kind) const;

  std::string owner_;
  std::map<std::string, Option> declared_;
  std::map<std::string, std::string> values_;
};

}  // namespace quantbench
