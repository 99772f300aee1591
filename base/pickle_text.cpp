#include "base/pickle_text.h"

#include <charconv>
#include <cstdint>

namespace quantbench::pickle {
namespace {

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | ((code >> 18) & 0x07));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

std::optional<uint32_t> hexadecimal(std::string_view text, size_t at, size_t digits) {
  if (at > text.size() || text.size() - at < digits) return std::nullopt;
  uint32_t value = 0;
  const char* end = text.data() + at + digits;
  auto [stop, code] = std::from_chars(text.data() + at, end, value, 16);
  if (code != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back()) return std::nullopt;
  if (text.front() != '\'' && text.front() != '"') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    static constexpr std::string_view letters = "\\'\"ntr", meanings = "\\'\"\n\t\r";
    if (const size_t known = letters.find(text[i]); known != letters.npos) {
      out += meanings[known];
    } else if (auto code = text[i] == 'x' ? hexadecimal(text, i + 1, 2) : std::nullopt) {
      out += static_cast<char>(*code);
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<std::string> raw_unicode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next != 'u' && next != 'U') {
      append_utf8(out, static_cast<unsigned char>(text[i]));
      continue;
    }
    const size_t digits = next == 'u' ? 4 : 8;
    auto code = hexadecimal(text, i + 2, digits);
    if (!code || *code > 0x10ffff) return std::nullopt;
    append_utf8(out, *code);
    i += 1 + digits;
  }
  return out;
}

}  // namespace quantbench::pickle
