// The terminal that the program's answer goes to.
#pragma once

#include <cstddef>

namespace quantbench {

// Its columns, of $COLUMNS or the terminal itself; 100 where stdout is none. At least 40.
size_t terminal_width();

}  // namespace quantbench
