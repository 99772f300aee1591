// The two text notations of pickle's protocol 0.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quantbench::pickle {

// The argument of STRING: a quoted Python literal with the escapes that Python's repr writes.
// Nothing when it is not one.
std::optional<std::string> unquote(std::string_view text);

// The argument of UNICODE: Latin-1 with \uXXXX and \UXXXXXXXX, as UTF-8. Nothing when an escape is
// not complete.
std::optional<std::string> raw_unicode(std::string_view text);

}  // namespace quantbench::pickle
