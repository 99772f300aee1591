// What every operation of a Graph computes, in float: the one place where it is written.
#pragma once

#include <functional>
#include <vector>

#include "base/batch.h"
#include "models/graph.h"
#include "models/tap.h"

namespace quantbench {

// How a caller takes part in the evaluation of one node. All fields but `parameter` may be empty.
struct Evaluation {
  // The node's parameter or buffer of that name ("weight", "running_mean", ...); undefined: none.
  std::function<Tensor(const char* name)> parameter;
  // Called for the points inside a node (Weight, Bias, EdgeNorm, Message, AttentionVector,
  // AttentionLogit); returns what goes on.
  std::function<Tensor(PointKind, const Tensor&, const Topology*, Rows)> tap;
  // What a Propagate sums at its targets: x[source] (times weight [E], where defined), with what
  // sits on the messages.
  std::function<Tensor(const Tensor& x, const Tensor& weight, const Topology&)> propagate;
  bool training = false;  // BatchNorm statistics, Dropout
};

// `inputs` are the values of node.inputs (empty for Input, whose value is batch.input). Shapes as
// in infer_shapes(). Throws Error when a graph operation meets a batch without topology.
Tensor evaluate(const Node& node, const std::vector<Tensor>& inputs, const Batch& batch,
                const Evaluation& how);

// The topology that a node runs on: with self-loops or without. nullptr for other nodes.
const Topology* topology_of(const Node& node, const Batch& batch);

}  // namespace quantbench
