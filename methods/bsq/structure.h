// What BSQ has to know of a network's shape.
#pragma once

#include "methods/site.h"

namespace quantbench::bsq {

// Whether node `index` is a 1x1 convolution beside a block: its input has other readers, and its
// output meets an Add with nothing but BatchNorm in between. The paper leaves those in float.
bool is_shortcut(const Graph& graph, int index);

// Whether the network's input reaches its output by a way around node `index`: only then may its
// weights have 0 bits.
bool is_bypassed(const Graph& graph, int index);

// The outputs of ReLUs, but for the first one unless `with_stem`.
std::vector<Site> activation_sites(const Graph& graph, bool with_stem);

}  // namespace quantbench::bsq
