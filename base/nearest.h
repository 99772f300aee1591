// The known name that somebody who mistyped one most likely meant.
#pragma once

#include <string>
#include <vector>

namespace quantbench {

// Of `known`, the name with the least edit distance to `word` (insertions, deletions, replacements
// and swaps of neighbours: Damerau 1964), the first of equals; "" when even that one has more than
// a third of its characters wrong.
std::string nearest_name(const std::string& word, const std::vector<std::string>& known);

// "; did you mean PREFIX + NAME?" or "".
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known,
                         const std::string& prefix = "");

}  // namespace quantbench
