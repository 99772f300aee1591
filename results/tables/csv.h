// Comma-separated values as RFC 4180 has them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quantbench {

// The records of `text`; quoted fields may hold commas, quotes (doubled) and line ends. `what`
// names the text in errors. Throws Error on a quote that is not closed.
std::vector<std::vector<std::string>> parse_csv(std::string_view text, const std::string& what);

// A field, quoted where it must be.
std::string csv_field(const std::string& text);

}  // namespace quantbench
