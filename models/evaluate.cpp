#include "models/evaluate.h"

#include "base/error.h"
#include "models/dropout.h"
#include "models/graph_ops.h"
#include "models/operations.h"

namespace quantbench {
namespace {

struct Evaluator {
  const Node& node;
  const std::vector<Tensor>& in;
  const Batch& batch;
  const Evaluation& how;

  Tensor parameter(const char* name) const { return how.parameter(name); }

  Tensor tap(PointKind kind, const Tensor& x, const Topology* topology = nullptr,
             Rows rows = Rows::Parameter) const {
    return how.tap && x.defined() ? how.tap(kind, x, topology, rows) : x;
  }

  const Topology& topology() const {
    const Topology* found = topology_of(node, batch);
    require(found != nullptr, "Node {} passes messages, but the batch has no graph.", node.name);
    return *found;
  }

  // `multiply` takes x, the node's weight and its bias.
  template <typename Multiply>
  Tensor product(const Tensor& x, const Multiply& multiply) const {
    const Tensor weight = tap(PointKind::Weight, parameter("weight"));
    const Tensor bias = tap(PointKind::Bias, parameter("bias"));
    return multiply(x, weight, bias);
  }

  Tensor operator()(const op::Input&) const { return batch.input; }

  Tensor operator()(const op::Conv2d& c) const {
    const auto [top, left, bottom, right] = c.padding;
    Tensor x = in[0];
    const bool even = top == bottom && left == right;
    if (!even) x = torch::constant_pad_nd(x, {left, right, top, bottom});
    const std::vector<int64_t> padding{even ? top : 0, even ? left : 0};
    return product(x, [&](const Tensor& operand, const Tensor& weight, const Tensor& bias) {
      return torch::conv2d(operand, weight, bias, c.stride, padding, std::vector<int64_t>{1, 1},
                           c.groups);
    });
  }

  Tensor operator()(const op::Linear&) const {
    return product(in[0], [](const Tensor& operand, const Tensor& weight, const Tensor& bias) {
      return torch::linear(operand, weight, bias);
    });
  }

  Tensor operator()(const op::Bias&) const {
    return in[0] + tap(PointKind::Bias, parameter("bias"));
  }

  Tensor operator()(const op::BatchNorm& b) const {
    return torch::batch_norm(in[0], parameter("weight"), parameter("bias"),
                             parameter("running_mean"), parameter("running_var"), how.training,
                             b.momentum, b.eps, /*cudnn_enabled=*/true);
  }

  Tensor operator()(const op::Relu& r) const {
    return r.max > 0 ? torch::clamp(in[0], 0, r.max) : torch::relu(in[0]);
  }
  Tensor operator()(const op::Elu&) const { return torch::elu(in[0]); }
  Tensor operator()(const op::Add&) const { return in[0] + in[1]; }
  Tensor operator()(const op::Concat&) const { return torch::cat(in, 1); }
  Tensor operator()(const op::MaxPool& p) const {
    return torch::max_pool2d(in[0], p.kernel, p.stride, p.padding, 1, p.ceil);
  }
  Tensor operator()(const op::AvgPool& p) const {
    return torch::avg_pool2d(in[0], p.kernel, p.stride, p.padding);
  }
  Tensor operator()(const op::GlobalAvgPool&) const { return in[0].mean({2, 3}); }
  Tensor operator()(const op::Flatten&) const { return in[0].flatten(1); }
  Tensor operator()(const op::Dropout& d) const {
    return how.training ? dropout(in[0], d.p) : in[0];
  }

  Tensor operator()(const op::PadShortcut& p) const {
    Tensor x = in[0];
    if (p.stride > 1) x = x.slice(2, 0, x.size(2), p.stride).slice(3, 0, x.size(3), p.stride);
    return torch::constant_pad_nd(x, {0, 0, 0, 0, p.before, p.after});
  }

  Tensor operator()(const op::Propagate& p) const {
    const Topology& graph = topology();
    const Tensor norm = p.reduce == op::Reduce::Gcn
                            ? tap(PointKind::EdgeNorm, graph.gcn_norm(), &graph, Rows::Edge)
                            : Tensor();
    Tensor sum = how.propagate ? how.propagate(in[0], norm, graph) : propagate(in[0], norm, graph);
    if (p.reduce == op::Reduce::Mean)
      sum = sum / graph.in_degree().clamp_min(1).to(sum.scalar_type()).unsqueeze(1);
    return sum;
  }

  Tensor operator()(const op::Attention& a) const {
    const Topology& graph = topology();
    const Tensor x = in[0].view({-1, a.heads, a.features});
    Tensor vectors = torch::cat({parameter("att_src"), parameter("att_dst")});
    vectors = tap(PointKind::AttentionVector, vectors);
    const Tensor at_source = (x * vectors[0]).sum(2), at_target = (x * vectors[1]).sum(2);
    Tensor logit = gather_source(at_source, graph) + gather_target(at_target, graph);
    logit = tap(PointKind::AttentionLogit, logit, &graph, Rows::Edge);
    Tensor attention = softmax_at_target(torch::leaky_relu(logit, a.negative_slope), graph);
    if (how.training && a.dropout > 0) attention = dropout(attention, a.dropout);
    const Tensor values = gather_source(in[0], graph).view({-1, a.heads, a.features});
    Tensor message = (values * attention.unsqueeze(2)).flatten(1);
    message = tap(PointKind::Message, message, &graph, Rows::Edge);
    const Tensor sum = sum_at_target(message, graph);
    return a.concat ? sum : sum.view({-1, a.heads, a.features}).mean(1);
  }

  Tensor operator()(const op::GinUpdate&) const { return (1 + parameter("eps")) * in[0] + in[1]; }

  Tensor operator()(const op::ReadOut& r) const {
    return read_out(in[0], topology(), r.reduce == op::Reduce::Mean);
  }
};

}  // namespace

Tensor evaluate(const Node& node, const std::vector<Tensor>& inputs, const Batch& batch,
                const Evaluation& how) {
  return std::visit(Evaluator{node, inputs, batch, how}, node.operation);
}

const Topology* topology_of(const Node& node, const Batch& batch) {
  if (!batch.topology) return nullptr;
  switch (runs_on(node.operation)) {
    case RunsOn::Rows:
      return nullptr;
    case RunsOn::Graph:
      return batch.topology.get();
    case RunsOn::GraphWithSelfLoops:
      return batch.topology->with_self_loops().get();
  }
  return nullptr;
}

}  // namespace quantbench
