#include "models/network.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/evaluate.h"

namespace quantbench {
namespace {

std::string module_key(std::string name) {
  // LibTorch forbids dots in the names of parameters and modules.
  for (char& c : name)
    if (c == '.') c = '/';
  return name;
}

std::string tap_key(const Graph& graph, const Point& point) {
  std::string key = graph.nodes.at(static_cast<size_t>(point.node)).name + ".";
  key += name_of(point.kind);
  if (point.kind == PointKind::Input && point.port > 0) key += std::to_string(point.port);
  return module_key("taps." + key);
}

// Draws the tensors of one node. The streams are keyed by the node's position.
struct Initialiser {
  RandomStream random;
  std::map<std::string, Tensor> made{};
  uint64_t used = 0;

  Tensor uniform(torch::IntArrayRef shape, double bound) {
    const RandomStream stream = random.child(used++);
    Tensor out = torch::empty(shape);
    float* data = out.data_ptr<float>();
    for (int64_t i = 0; i < out.numel(); ++i)
      data[i] = static_cast<float>((2 * stream.uniform(static_cast<uint64_t>(i)) - 1) * bound);
    return out;
  }

  // PyTorch's default of Conv and Linear: Kaiming uniform with a = sqrt(5), i.e. +-1/sqrt(fan in).
  void weight_and_bias(std::vector<int64_t> shape, bool bias) {
    int64_t fan_in = 1;
    for (size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    made["weight"] = uniform(shape, bound);
    if (bias) made["bias"] = uniform({shape[0]}, bound);
  }

  void operator()(const op::Conv2d& c) {
    weight_and_bias({c.out, c.in / c.groups, c.kernel[0], c.kernel[1]}, c.bias);
  }
  void operator()(const op::Linear& l) {
    // A Linear without bias is the weight of a graph layer (GCN, GAT) or stands before BatchNorm:
    // Glorot, as PyTorch Geometric does.
    if (l.bias) return weight_and_bias({l.out, l.in}, true);
    made["weight"] = uniform({l.out, l.in}, std::sqrt(6.0 / static_cast<double>(l.in + l.out)));
  }
  void operator()(const op::Bias& b) { made["bias"] = torch::zeros({b.features}); }
  void operator()(const op::BatchNorm& b) {
    made["weight"] = torch::ones({b.features});
    made["bias"] = torch::zeros({b.features});
    made["running_mean"] = torch::zeros({b.features});
    made["running_var"] = torch::ones({b.features});
  }
  void operator()(const op::Attention& a) {
    const double bound = std::sqrt(6.0 / static_cast<double>(a.heads + a.features));
    made["att_src"] = uniform({1, a.heads, a.features}, bound);
    made["att_dst"] = uniform({1, a.heads, a.features}, bound);
  }
  void operator()(const op::GinUpdate&) { made["eps"] = torch::zeros({1}); }
  template <typename Other>
  void operator()(const Other&) {}
};

bool is_buffer(const Node& node, const std::string& name) {
  if (auto* gin = std::get_if<op::GinUpdate>(&node.operation)) return !gin->train_eps;
  return name == "running_mean" || name == "running_var";
}

bool has_point(const Graph& graph, const Point& point) {
  if (point.node < 0 || point.node > graph.output()) return false;
  const Node& node = graph.nodes[static_cast<size_t>(point.node)];
  const Operation& o = node.operation;
  const bool product =
      std::holds_alternative<op::Conv2d>(o) || std::holds_alternative<op::Linear>(o);
  auto* propagate = std::get_if<op::Propagate>(&o);
  const bool attention = std::holds_alternative<op::Attention>(o);
  switch (point.kind) {
    case PointKind::Weight:
      return product;
    case PointKind::Bias:
      if (auto* conv = std::get_if<op::Conv2d>(&o)) return conv->bias;
      if (auto* linear = std::get_if<op::Linear>(&o)) return linear->bias;
      return std::holds_alternative<op::Bias>(o);
    case PointKind::Input:
      return point.port >= 0 && point.port < static_cast<int>(node.inputs.size());
    case PointKind::Output:
      return true;
    case PointKind::EdgeNorm:
      return propagate && propagate->reduce == op::Reduce::Gcn;
    case PointKind::Message:
      return propagate || attention;
    case PointKind::AttentionVector:
    case PointKind::AttentionLogit:
      return attention;
  }
  return false;
}

}  // namespace

const char* name_of(PointKind kind) {
  switch (kind) {
    case PointKind::Weight:
      return "weight";
    case PointKind::Bias:
      return "bias";
    case PointKind::Input:
      return "input";
    case PointKind::Output:
      return "output";
    case PointKind::EdgeNorm:
      return "edge_norm";
    case PointKind::Message:
      return "message";
    case PointKind::AttentionVector:
      return "attention_vector";
    case PointKind::AttentionLogit:
      return "attention_logit";
  }
  return "output";
}

Network::Network(Graph graph, const RandomStream& init) : graph_(std::move(graph)) {
  const auto shapes = infer_shapes(graph_);
  const size_t count = graph_.nodes.size();
  own_.resize(count);
  last_use_.assign(count, static_cast<int>(count) - 1);
  rows_.assign(count, Rows::Sample);
  const auto consumers = graph_.consumers();
  bool on_graph = false;
  for (const Node& node : graph_.nodes)
    on_graph |= std::holds_alternative<op::Propagate>(node.operation) ||
                std::holds_alternative<op::Attention>(node.operation);
  for (size_t i = 0; i < count; ++i) {
    const Node& node = graph_.nodes[i];
    Initialiser initialise{init.child(i)};
    std::visit(initialise, node.operation);
    for (auto& [name, tensor] : initialise.made) {
      const std::string key = module_key(node.scope + "." + name);
      own_[i][name] =
          is_buffer(node, name) ? register_buffer(key, tensor) : register_parameter(key, tensor);
    }
    if (!consumers[i].empty()) last_use_[i] = consumers[i].back();
    if (i == 0)
      rows_[i] = on_graph ? Rows::GraphNode : Rows::Sample;
    else if (std::holds_alternative<op::ReadOut>(node.operation))
      rows_[i] = Rows::Graph;
    else
      rows_[i] = rows_[static_cast<size_t>(node.inputs[0])];
  }
}

Tensor Network::parameter(int node, const std::string& name) const {
  const auto& own = own_.at(static_cast<size_t>(node));
  auto found = own.find(name);
  return found == own.end() ? Tensor() : found->second;
}

std::vector<std::pair<std::string, Tensor>> Network::state() const {
  // The order that PyTorch's layers register in.
  static const std::vector<std::string> order{"weight",  "bias",    "running_mean", "running_var",
                                              "att_src", "att_dst", "eps"};
  std::vector<std::pair<std::string, Tensor>> out;
  for (size_t i = 0; i < own_.size(); ++i)
    for (const std::string& name : order)
      if (auto found = own_[i].find(name); found != own_[i].end())
        out.emplace_back(graph_.nodes[i].scope + "." + name, found->second);
  return out;
}

void Network::set_tap(const Point& point, std::shared_ptr<Tap> tap) {
  require(has_point(graph_, point), "Graph {} has no point '{}' at node {}.", graph_.name,
          name_of(point.kind), point.node);
  const std::string key = tap_key(graph_, point);
  if (taps_.erase(point) > 0) unregister_module(key);
  if (!tap) return;
  register_module(key, tap);
  tap->train(is_training());
  taps_.emplace(point, std::move(tap));
}

std::shared_ptr<Tap> Network::tap(const Point& point) const {
  auto found = taps_.find(point);
  return found == taps_.end() ? nullptr : found->second;
}

void Network::clear_taps() {
  while (!taps_.empty()) set_tap(Point(taps_.begin()->first), nullptr);
}

Tensor Network::tapped(const Point& point, const Tensor& x, const TapContext& context) {
  if (observer_ && std::find(observed_->begin(), observed_->end(), point) != observed_->end())
    (*observer_)(point, context.relu ? torch::relu(x) : x, context);
  if (!taps_on_) return x;
  auto found = taps_.find(point);
  if (found == taps_.end()) return x;
  return found->second->forward(x.scalar_type() == torch::kBFloat16 ? x.to(torch::kFloat) : x,
                                context);
}

Tensor Network::evaluate(int index, const Batch& batch, std::vector<Tensor>& values) {
  const Node& node = graph_.nodes[static_cast<size_t>(index)];
  const Topology* topology = topology_of(node, batch);

  std::vector<Tensor> inputs;
  for (size_t port = 0; port < node.inputs.size(); ++port) {
    const auto from = static_cast<size_t>(node.inputs[port]);
    const Point point{index, PointKind::Input, static_cast<int>(port)};
    inputs.push_back(tapped(point, values[from], {batch, topology, rows_[from]}));
  }

  const Point output{index, PointKind::Output};
  TapContext at_output{batch, topology, rows_[static_cast<size_t>(index)]};
  if (auto* relu = std::get_if<op::Relu>(&node.operation)) {
    auto found = taps_on_ ? taps_.find(output) : taps_.end();
    if (found != taps_.end() && found->second->absorbs_relu()) {
      at_output.relu = true;
      at_output.relu_max = relu->max;
      return tapped(output, inputs[0], at_output);
    }
  }

  Evaluation how;
  how.parameter = [&](const char* name) { return parameter(index, name); };
  how.tap = [&](PointKind kind, const Tensor& x, const Topology* on, Rows rows) {
    return tapped({index, kind}, x, {batch, on, rows});
  };
  how.training = is_training();
  Tensor value = quantbench::evaluate(node, inputs, batch, how);
  if (index == 0 && compute_.channels_last && value.dim() == 4)
    value = value.contiguous(torch::MemoryFormat::ChannelsLast);
  return tapped(output, value, at_output);
}

void Network::run(const Batch& batch, std::vector<Tensor>& values, int first, int last, bool keep) {
  values.resize(graph_.nodes.size());
  for (int i = first; i <= last; ++i) {
    values[static_cast<size_t>(i)] = evaluate(i, batch, values);
    if (keep) continue;
    for (int input : graph_.nodes[static_cast<size_t>(i)].inputs)
      if (last_use_[static_cast<size_t>(input)] == i) values[static_cast<size_t>(input)].reset();
  }
}

Tensor Network::forward(const Batch& batch) {
  const Bf16Autocast autocast(compute_.bf16, batch.input.device().type());
  std::vector<Tensor> values;
  run(batch, values, 0, graph_.output());
  const Tensor& logits = values.back();
  return logits.scalar_type() == torch::kBFloat16 ? logits.to(torch::kFloat) : logits;
}

Tensor Network::observe(const Batch& batch, const std::vector<Point>& points,
                        const Observer& observer) {
  observed_ = &points;
  observer_ = &observer;
  Tensor logits;
  try {
    logits = forward(batch);
  } catch (...) {
    observed_ = nullptr;
    observer_ = nullptr;
    throw;
  }
  observed_ = nullptr;
  observer_ = nullptr;
  return logits;
}

}  // namespace quantbench
