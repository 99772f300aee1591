#include "bench/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace quantbench {

size_t terminal_width() {
  constexpr size_t kLeast = 40, kOtherwise = 100;
  if (const char* columns = std::getenv("COLUMNS")) {
    const long number = std::strtol(columns, nullptr, 10);
    if (number > 0) return std::max(kLeast, static_cast<size_t>(number));
  }
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return std::max<size_t>(kLeast, size.ws_col);
  return kOtherwise;
}

}  // namespace quantbench
