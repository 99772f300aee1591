// The house rules on #include lines: a folder includes only what stands on a lower floor, and a
// third-party library is included only at its edge.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace quantbench {

// Every rule that a source file breaks, a sentence each. `path`: relative to the repository, with
// forward slashes; `text`: its content.
std::vector<std::string> include_violations(const std::string& path, std::string_view text);

// The paths of all sources (.h, .cpp) in one folder of the repository, relative to `root`, sorted.
std::vector<std::string> sources(const std::filesystem::path& root, const std::string& folder);

}  // namespace quantbench
