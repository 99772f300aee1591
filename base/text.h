// Text that came from elsewhere (a file, a store, a library's own words) on its way to people.
#pragma once

#include <string>
#include <string_view>

namespace quantbench {

// The same text in valid UTF-8 with nothing that steers a terminal or turns the direction of
// writing: such characters and bytes that are not UTF-8 become '?'. Line feeds and tabs stay.
std::string printable(std::string_view text);

// printable() on one line: line feeds and tabs become blanks.
std::string printable_line(std::string_view text);

// Valid UTF-8: bytes that are not become U+FFFD; everything else, control characters too, stays.
std::string valid_utf8(std::string_view text);

// `text` broken at blanks into lines of at most `width` bytes, while no word is longer, all but the
// first after `indent` blanks.
std::string wrapped(std::string_view text, size_t indent, size_t width);

}  // namespace quantbench
