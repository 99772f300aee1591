// Comma-separated values as RFC 4180 has them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quantbench {

// The records of `text`; quoted fields may hold commas, quotes (doubled) and line ends. `what`
// names the text in errors. Throws Error on a quote that is not closed.
std::vector<std::vector<std::string>> parse_csv(std::string_view text, const std::string& what);

// A field, quoted where it must be. Text that a spreadsheet would take for a formula (it begins
// with = + - @, a tab or a carriage return and is no number) gets a ' before it; bytes that are not
// UTF-8 become U+FFFD.
std::string csv_field(const std::string& text);

}  // namespace quantbench
