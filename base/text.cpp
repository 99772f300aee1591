#include "base/text.h"

#include <algorithm>
#include <cstdint>

namespace quantbench {
namespace {

// The character at the front of `text` and its length; length 0: these bytes are not UTF-8.
struct Character {
  uint32_t code = 0;
  size_t length = 0;
};

Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
  uint32_t code = lead & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return {};
    code = code << 6 | (byte & 0x3f);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  return overlong || surrogate || code > 0x10ffff ? Character{} : Character{code, length};
}

bool steers(uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  const bool line = code == 0x2028 || code == 0x2029;
  const bool direction = code == 0x61c || code == 0x200e || code == 0x200f ||
                         (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return control || line || direction;
}

// `replaced` gives what stands for a character, nullptr for the character itself; it is called with
// a length of 0 for a byte that belongs to none.
template <typename Replaced>
std::string with_replaced(std::string_view text, Replaced replaced) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_character(text);
    const size_t length = std::max<size_t>(c.length, 1);
    const char* instead = replaced(c);
    if (instead == nullptr)
      out += text.substr(0, length);
    else
      out += instead;
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) {
  return with_replaced(text, [](const Character& c) {
    const bool kept = c.code == '\n' || c.code == '\t' || !steers(c.code);
    return c.length > 0 && kept ? nullptr : "?";
  });
}

std::string printable_line(std::string_view text) {
  std::string out = printable(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return out;
}

std::string valid_utf8(std::string_view text) {
  return with_replaced(text,
                       [](const Character& c) { return c.length > 0 ? nullptr : "\xef\xbf\xbd"; });
}

std::string wrapped(std::string_view text, size_t indent, size_t width) {
  std::string out;
  size_t column = indent;
  for (size_t first = 0; first < text.size();) {
    const size_t end = std::min(text.find(' ', first), text.size());
    const std::string_view word = text.substr(first, end - first);
    if (column > indent && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    first = end + 1;
  }
  return out;
}

}  // namespace quantbench
