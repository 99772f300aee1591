// Methods built out of tree: a shared library whose static initialisers register them.
#pragma once

#include <string>

namespace quantbench {

// Throws Error when the library cannot be loaded or registers nothing.
void load_plugin(const std::string& path);

}  // namespace quantbench
