// Digests and identifiers as text.
#pragma once

#include <string_view>

namespace quantbench {

// Whether `text` is `digits` lower-case hexadecimal digits, and nothing else.
inline bool is_hexadecimal(std::string_view text, size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace quantbench
