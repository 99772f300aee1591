// Text from a store on its way to a terminal or a file of lines.
#pragma once

#include <string>

namespace quantbench {

// Control characters but line feeds replaced by '?', so that a name in a store that came from
// elsewhere cannot steer a terminal.
inline std::string without_controls(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f) c = '?';
  }
  return text;
}

}  // namespace quantbench
