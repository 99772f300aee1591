// The one table of what operations are: their parameters, the points that they offer to taps and
// encodings, and what they do with their input's numbers. What they compute is in evaluate.cpp, how
// large their output is in shapes.cpp. A new operation is an entry here and a case in those two;
// the compiler names what is missing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/graph.h"
#include "models/tap.h"

namespace quantbench {

struct OperationParameter {
  const char* name;  // PyTorch's, within its node: "running_mean"
  std::vector<int64_t> shape;
  std::optional<PointKind> point;  // Weight or Bias, where an encoding can stand for it
  bool is_buffer = false;          // not trained
  // Where it starts: uniform in -bound..bound, or, where bound is 0, this constant.
  double bound = 0, constant = 0;
};

// The parameters and buffers of one node, in the order in which PyTorch's layers register them.
std::vector<OperationParameter> parameters_of(const Operation& operation);

// What an operation's output holds.
enum class Passes {
  Nothing,       // new numbers
  PositivePart,  // its input's numbers where they are positive, else zeros: a ReLU without limit
  Everything     // its input's numbers and zeros: Flatten, Dropout, PadShortcut, MaxPool
};
Passes passes(const Operation& operation);

// Its output is the same tensor to whoever asks which tensor a product multiplies.
inline bool passes_on(const Operation& o) { return passes(o) == Passes::Everything; }
// Numbers that lie on a grid with a zero still lie on it behind this operation.
inline bool keeps_grid(const Operation& o) { return passes(o) != Passes::Nothing; }

// A product of its input and a weight: what MACs are counted of.
bool multiplies(const Operation& operation);

// The topology that an operation runs on.
enum class RunsOn { Rows, Graph, GraphWithSelfLoops };
RunsOn runs_on(const Operation& operation);

// Sends something along edges, as opposed to a read-out.
bool passes_messages(const Operation& operation);

// What a row of its output is, where that is not what a row of its input is.
std::optional<Rows> output_rows(const Operation& operation);

// A point of a node and the value that it carries.
struct PointValue {
  Point point;
  // Without the dimension that counts samples, nodes or edges; of a Weight, a Bias and an
  // AttentionVector, which are parameters, whole. An EdgeNorm, one number an edge, has none: [].
  std::vector<int64_t> shape;
};

// All points of a node: its Inputs, what is inside, its Output. `shapes` as infer_shapes() gives
// them, of the node and those before it.
std::vector<PointValue> points_of(const Graph& graph, int node,
                                  const std::vector<std::vector<int64_t>>& shapes);

// The shape of the value that a point carries; nothing when the graph has no such point.
std::optional<std::vector<int64_t>> value_shape(const Graph& graph, const Point& point,
                                                const std::vector<std::vector<int64_t>>& shapes);

bool has_point(const Graph& graph, const Point& point);

// The inverse of name_of(PointKind).
std::optional<PointKind> point_kind(const std::string& name);

}  // namespace quantbench
