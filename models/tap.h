// Taps: where a method can look at or replace a tensor that passes through a Network. The executor
// calls them; what they do is no business of this floor.
#pragma once

#include <memory>
#include <tuple>

#include "base/batch.h"

namespace quantbench {

// The points of a node that can carry a tap.
enum class PointKind {
  Weight,    // the weight of Conv2d / Linear, before it is used
  Bias,      // the bias of Conv2d / Linear / Bias
  Input,     // the activation that enters a Conv2d / Linear / Propagate / GinUpdate, for it only
  Output,    // the activation that leaves a node, for all its consumers
  EdgeNorm,  // Propagate Gcn: 1/sqrt(d_source d_target), [E]
  Message,   // Propagate / Attention: what travels along the edges, [E, features]
  AttentionVector,  // Attention: att_src and att_dst side by side, [2, heads, features]
  AttentionLogit,   // Attention: before LeakyReLU and softmax, [E, heads]
};
const char* name_of(PointKind kind);  // "weight", "bias", "input", "output", "edge_norm", ...

struct Point {
  int node = 0;
  PointKind kind = PointKind::Weight;
  int port = 0;  // which input, for Input

  bool operator==(const Point& o) const {
    return node == o.node && kind == o.kind && port == o.port;
  }
  bool operator<(const Point& o) const {
    return std::tie(node, kind, port) < std::tie(o.node, o.kind, o.port);
  }
};

// What a row (dimension 0) of the passing tensor is.
enum class Rows { Parameter, Sample, GraphNode, Edge, Graph };

struct TapContext {
  const Batch& batch;
  const Topology* topology = nullptr;  // the one the node runs on (with self-loops or without)
  Rows rows = Rows::Sample;
  bool relu = false;    // the tensor is a ReLU's input and the tap must apply the ReLU as well
  double relu_max = 0;  // the ReLU's upper limit, 0: none
  const Tensor* operand = nullptr;  // of a Weight: what it is about to be multiplied with
};

// A module, so that its parameters and buffers are trained, saved and moved with the network.
class Tap : public torch::nn::Module {
 public:
  // A tensor of the same shape as `x`. is_training() says whether statistics may be updated.
  virtual Tensor forward(const Tensor& x, const TapContext& context) = 0;

  // True when this tap at the output of a ReLU does the ReLU's work as well: the executor then
  // skips the ReLU and sets context.relu, which saves one pass over memory in each direction.
  virtual bool absorbs_relu() const { return false; }

  // True when forward() takes bfloat16 as well as float32 and gives back what it was given; other
  // taps get float32, at the cost of two more passes over memory.
  virtual bool takes_bf16() const { return false; }

  // True when this tap on the messages of a Propagate can sum them as well: then sum_messages() is
  // called in place of forward(), and no tensor as long as the edges is made.
  virtual bool sums_messages() const { return false; }
  // x [N, F], weight [E] or undefined: the sum at each target of forward(x[source] * weight).
  virtual Tensor sum_messages(const Tensor& x, const Tensor& weight, const TapContext& context);
};

}  // namespace quantbench
