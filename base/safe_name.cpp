#include "base/safe_name.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace quantbench {

bool is_safe_name(std::string_view name) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 100 && (letter_or_digit(name[0]) || name[0] == '_') &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return letter_or_digit(c) || c == '_' || c == '-' || c == '.';
         });
}

const std::string& safe_name(const std::string& name, std::string_view what) {
  require(is_safe_name(name),
          "'{}' cannot be the name of {}: letters, digits, '_', '-' and '.' can.",
          printable_line(name), what);
  return name;
}

}  // namespace quantbench
