#include "results/tables/csv.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace quantbench {
namespace {

bool is_number(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size();
}

// A spreadsheet takes what begins so for a formula, unless it is a number.
std::string harmless(std::string text) {
  const bool formula = !text.empty() && std::strchr("=+-@\t\r", text[0]) != nullptr;
  return formula && !is_number(text) ? "'" + text : text;
}

}  // namespace

std::vector<std::vector<std::string>> parse_csv(std::string_view text, const std::string& what) {
  std::vector<std::vector<std::string>> out;
  std::vector<std::string> record;
  std::string field;
  bool quoted = false, any = false;
  const auto end_record = [&] {
    record.push_back(std::move(field));
    out.push_back(std::move(record));
    record.clear();
    field.clear();
    any = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += c;
        ++i;
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = any = true;
    } else if (c == ',') {
      record.push_back(std::move(field));
      field.clear();
      any = true;
    } else if (c == '\n') {
      if (any || !field.empty()) end_record();
    } else if (c != '\r') {
      field += c;
      any = true;
    }
  }
  require(!quoted, "{} ends within a quoted field.", what);
  if (any) end_record();
  return out;
}

std::string csv_field(const std::string& given) {
  const std::string text = harmless(valid_utf8(given));
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

}  // namespace quantbench
