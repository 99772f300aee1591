// A network as data: named nodes (operation, attributes, inputs) in execution order. The one
// description that training, counting, packing, integer execution and export all read.
//
// Tensors: images are [N, C, H, W], features [rows, features]; graph networks run on the nodes of
// one Topology. Every parameter's name is its node's `scope` plus the PyTorch name
// ("conv1.weight").
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>
#include <vector>

namespace quantbench {

namespace op {

struct Input {};
struct Conv2d {  // weight [out, in/groups, kernel, kernel]
  int64_t in = 0, out = 0;
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1};
  std::array<int64_t, 4> padding{0, 0, 0, 0};  // top, left, bottom, right
  int64_t groups = 1;
  bool bias = false;
};
struct Linear {  // weight [out, in]
  int64_t in = 0, out = 0;
  bool bias = true;
  bool keras_start = false;  // drawn as Keras' layers: Glorot's weights, biases of zero
};
struct Bias {  // y = x + bias, over the last dimension
  int64_t features = 0;
};
struct BatchNorm {  // over dimension 1; weight, bias, running_mean, running_var
  int64_t features = 0;
  double eps = 1e-5, momentum = 0.1;  // momentum: share of the new batch
};
struct Relu {
  double max = 0;  // 0: no upper limit; 6: ReLU6
};
struct Elu {};
struct Add {};     // two inputs of one shape
struct Concat {};  // along dimension 1
struct MaxPool {
  int64_t kernel = 2, stride = 2, padding = 0;
  bool ceil = false;  // a last window that begins within the image may reach beyond it
};
struct AvgPool {  // the border's zeros count in the mean
  int64_t kernel = 2, stride = 2, padding = 0;
};
struct GlobalAvgPool {};  // [N, C, H, W] -> [N, C]
struct Flatten {};        // [N, ...] -> [N, product]
struct Dropout {
  double p = 0.5;
};
struct PadShortcut {  // option-A shortcut (He et al. 2016): x[:, :, ::stride, ::stride], zero
                      // channels
  int64_t stride = 2, before = 0, after = 0;  // channels of zeros added in front and behind
};

// Graph operations. A message runs from an edge's source to its target.
enum class Reduce { Sum, Mean, Gcn };  // Gcn: sum weighted by 1/sqrt(d_source d_target)
struct Propagate {                     // messages x[source], reduced at the target
  Reduce reduce = Reduce::Sum;
  bool self_loops = false;  // every self-loop replaced by exactly one
};
struct Attention {  // GAT (Velickovic et al. 2018, eq. 1-6); att_src, att_dst [1, heads, features]
  int64_t heads = 1, features = 0;  // features: of one head
  double negative_slope = 0.2, dropout = 0;
  bool concat = true;  // false: mean over heads
};
struct GinUpdate {  // (1 + eps) x + aggregate (Xu et al. 2019, eq. 4.1); inputs x, aggregate
  bool train_eps = true;
};
struct ReadOut {  // rows of each graph reduced to one row (Sum or Mean)
  Reduce reduce = Reduce::Mean;
};

}  // namespace op

using Operation = std::variant<op::Input, op::Conv2d, op::Linear, op::Bias, op::BatchNorm, op::Relu,
                               op::Elu, op::Add, op::Concat, op::MaxPool, op::AvgPool,
                               op::GlobalAvgPool, op::Flatten, op::Dropout, op::PadShortcut,
                               op::Propagate, op::Attention, op::GinUpdate, op::ReadOut>;

struct Node {
  std::string name;   // unique
  std::string scope;  // prefix of its parameters' names
  Operation operation;
  std::vector<int> inputs;  // earlier nodes
  std::string block;        // the residual block or layer it belongs to, for per-block analyses
};

struct Graph {
  std::string name;
  std::vector<int64_t> input_shape;  // without the batch dimension
  int64_t class_count = 0;
  std::vector<Node> nodes;  // nodes[0] is the Input; the last one gives the logits

  int output() const { return static_cast<int>(nodes.size()) - 1; }
  // Throws Error when there is none.
  int index_of(const std::string& node_name) const;
  std::vector<std::vector<int>> consumers() const;
};

// "Conv2d", "Linear", ...: as in the JSON form. What else is known of operations: operations.h.
const char* name_of(const Operation& operation);

// Shape of every node's output without its first (batch or row) dimension. Throws Error naming the
// node where shapes do not fit; this is also the check of a graph that came from a file.
std::vector<std::vector<int64_t>> infer_shapes(const Graph& graph);

// Multiply-accumulates of each node for one image (or one graph node), Conv2d and Linear only:
// out_h * out_w * out * (in/groups) * kh * kw, and in * out.
std::vector<int64_t> count_macs(const Graph& graph);

// JSON form, attributes that equal their default left out. from_json throws Error on anything that
// is not a valid graph (unknown operation, forward reference, shapes that do not fit, absurd
// sizes).
nlohmann::json graph_to_json(const Graph& graph);
Graph graph_from_json(const nlohmann::json& json);

}  // namespace quantbench
