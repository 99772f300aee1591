// What a graph needs from a package: its parameters by name, and the points at which it can carry a
// number format. Both are read off the table of operations.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/graph.h"
#include "models/tap.h"

namespace quantbench {

struct ParameterSlot {
  std::string name;   // by PyTorch: "layer1.0.bn1.running_mean"
  std::string local;  // within its node: "running_mean"
  int node = 0;
  std::vector<int64_t> shape;
  std::optional<PointKind> kind;  // Weight or Bias, where an encoding can stand for it
};

// Every parameter and buffer of the graph, node by node. Throws Error on shapes that are absurd.
std::vector<ParameterSlot> parameter_slots(const Graph& graph);

// The shape of the value that an activation point carries, without the dimension that counts
// samples, nodes or edges (an AttentionVector, which is a parameter, has its whole shape). Nothing
// when the graph has no such point.
std::optional<std::vector<int64_t>> activation_shape(
    const Graph& graph, const Point& point, const std::vector<std::vector<int64_t>>& shapes);

}  // namespace quantbench
