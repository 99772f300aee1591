#include "base/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace quantbench {
namespace {

std::string canonical_value(const std::string& owner, const Option& option,
                            const std::string& text) {
  const char* end = text.data() + text.size();
  auto refuse = [&]() {
    fail("{}: option {} takes {}, not '{}'.", owner, option.name, option.allowed(), text);
  };
  switch (option.kind) {
    case Option::Kind::Integer: {
      int64_t value = 0;
      auto [stop, code] = std::from_chars(text.data(), end, value);
      if (code != std::errc() || stop != end || static_cast<double>(value) < option.low ||
          static_cast<double>(value) > option.high)
        refuse();
      return std::to_string(value);
    }
    case Option::Kind::Real: {
      double value = 0;
      auto [stop, code] = std::from_chars(text.data(), end, value);
      if (code != std::errc() || stop != end || !std::isfinite(value) || value < option.low ||
          value > option.high)
        refuse();
      return fmt::format("{}", value);
    }
    case Option::Kind::Flag:
      if (text == "yes" || text == "true" || text == "1" || text == "on") return "yes";
      if (text == "no" || text == "false" || text == "0" || text == "off") return "no";
      refuse();
      break;
    case Option::Kind::Choice:
      if (std::find(option.choices.begin(), option.choices.end(), text) == option.choices.end())
        refuse();
      return text;
    case Option::Kind::Text:
      return text;
  }
  return text;
}

}  // namespace

Option Option::integer(std::string name, int64_t value, int64_t low, int64_t high,
                       std::string help) {
  return {std::move(name),
          Kind::Integer,
          std::to_string(value),
          std::move(help),
          static_cast<double>(low),
          static_cast<double>(high),
          {}};
}

Option Option::real(std::string name, double value, double low, double high, std::string help) {
  return {std::move(name), Kind::Real, fmt::format("{}", value), std::move(help), low, high, {}};
}

Option Option::flag(std::string name, bool value, std::string help) {
  return {std::move(name), Kind::Flag, value ? "yes" : "no", std::move(help), 0, 0, {}};
}

Option Option::choice(std::string name, std::string value, std::vector<std::string> choices,
                      std::string help) {
  return {std::move(name),   Kind::Choice, std::move(value), std::move(help), 0, 0,
          std::move(choices)};
}

Option Option::text(std::string name, std::string value, std::string help) {
  return {std::move(name), Kind::Text, std::move(value), std::move(help), 0, 0, {}};
}

std::string Option::allowed() const {
  switch (kind) {
    case Kind::Integer:
      return fmt::format("an integer {:.0f}..{:.0f}", low, high);
    case Kind::Real:
      return fmt::format("a number {}..{}", low, high);
    case Kind::Flag:
      return "yes | no";
    case Kind::Choice:
      return fmt::format("{}", fmt::join(choices, " | "));
    case Kind::Text:
      return "text";
  }
  return "text";
}

OptionValues::OptionValues(std::string owner, std::vector<Option> declared,
                           const std::map<std::string, std::string>& given)
    : owner_(std::move(owner)) {
  std::vector<std::string> names;
  for (Option& option : declared) {
    names.push_back(option.name);
    values_[option.name] = canonical_value(owner_, option, option.default_value);
    declared_.emplace(option.name, std::move(option));
  }
  for (const auto& [name, text] : given) {
    auto option = declared_.find(name);
    require(option != declared_.end(), "{} has no option '{}'; it has: {}.", owner_, name,
            names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
    values_[name] = canonical_value(owner_, option->second, text);
  }
}

const std::string& OptionValues::value(const std::string& name, Option::Kind kind) const {
  auto option = declared_.find(name);
  require(option != declared_.end() && option->second.kind == kind,
          "{} asks for an option '{}' that it does not declare with that kind.", owner_, name);
  return values_.at(name);
}

int64_t OptionValues::integer(const std::string& name) const {
  return std::stoll(value(name, Option::Kind::Integer));
}
double OptionValues::real(const std::string& name) const {
  return std::stod(value(name, Option::Kind::Real));
}
bool OptionValues::flag(const std::string& name) const {
  return value(name, Option::Kind::Flag) == "yes";
}
const std::string& OptionValues::text(const std::string& name) const {
  auto option = declared_.find(name);
  const bool choice = option != declared_.end() && option->second.kind == Option::Kind::Choice;
  return value(name, choice ? Option::Kind::Choice : Option::Kind::Text);
}

}  // namespace quantbench
