// The shape of one node's output, given those of the nodes before it: the step that infer_shapes()
// repeats and the builder takes as it goes.
#pragma once

#include <vector>

#include "models/graph.h"

namespace quantbench {

// `shapes` holds at least the outputs of nodes 0..node-1, without the first (batch) dimension.
// Throws Error naming the node when its inputs or attributes do not fit.
std::vector<int64_t> infer_shape(const Graph& graph, int node,
                                 const std::vector<std::vector<int64_t>>& shapes);

}  // namespace quantbench
