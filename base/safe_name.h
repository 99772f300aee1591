// Names from files and databases on their way to becoming a part of a path.
#pragma once

#include <string>
#include <string_view>

namespace quantbench {

// Whether `name` is one plain component of a path wherever it is put: 1 to 100 letters, digits,
// '_',
// '-' and '.', neither beginning with a dot nor with a hyphen.
bool is_safe_name(std::string_view name);

// The name itself. Throws Error, saying what it names, unless it is safe.
const std::string& safe_name(const std::string& name, std::string_view what);

}  // namespace quantbench
