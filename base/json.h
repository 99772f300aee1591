// JSON from files and databases, read with limits: text that somebody made to do harm ends in a
// sentence and not in a stack that overflows.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace quantbench {

// How many arrays and objects may stand within one another.
constexpr int kDeepestJson = 32;

// The whole text as JSON. Throws Error, a sentence that begins with `what`, when it is not valid or
// nested more deeply than `depth`. Takes time and memory in proportion to the text.
nlohmann::json parse_json(std::string_view text, const std::string& what, int depth = kDeepestJson);

// The number that `json` is. Throws Error when it is none, has a fraction or an exponent, or does
// not fit.
int64_t whole_number(const nlohmann::json& json);

// The names in the outermost object in the order of the text; none when it is no object. Throws as
// parse_json() does, and when a name comes twice.
std::vector<std::string> outermost_names(std::string_view text, const std::string& what,
                                         int depth = kDeepestJson);

}  // namespace quantbench
