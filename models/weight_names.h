// Weight files whose tensors bear other names than this program's networks: a mapping from theirs
// to ours, as JSON: {"conv1.weight": "stem.conv.weight", "backbone.*": "*", "aux.*": null}. A `*`
// at the end stands for any rest, which a `*` at the end of the new name repeats; null drops a
// tensor; what no rule names keeps its name. The rule with the longest name wins.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/torch.h"

namespace quantbench {

// `weights` under their new names. `rules` is the text of the mapping, `what` starts every error.
// Throws Error when it is malformed, when a rule fits no tensor, or when two tensors get one name.
std::map<std::string, Tensor> renamed(const std::map<std::string, Tensor>& weights,
                                      std::string_view rules, const std::string& what);

}  // namespace quantbench
