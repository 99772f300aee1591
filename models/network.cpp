#include "models/network.h"

#include <algorithm>

#include "base/error.h"
#include "models/evaluate.h"
#include "models/graph_ops.h"
#include "models/operations.h"

namespace quantbench {
namespace {

// A single channel lies in memory alike in both layouts; its strides alone tell the operations that
// follow which of the two to keep.
Tensor channels_last(const Tensor& images) {
  const Tensor x = images.contiguous(torch::MemoryFormat::ChannelsLast);
  if (x.size(1) != 1) return x;
  return x.as_strided(x.sizes(), {x.size(2) * x.size(3), 1, x.size(3), 1});
}

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

// A node's parameter as it starts. The streams are keyed by the node's position and the parameter's
// among its own.
Tensor initial(const OperationParameter& parameter, const RandomStream& random) {
  if (parameter.bound == 0) return torch::full(parameter.shape, parameter.constant);
  Tensor out = torch::empty(parameter.shape);
  float* data = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i)
    data[i] =
        static_cast<float>((2 * random.uniform(static_cast<uint64_t>(i)) - 1) * parameter.bound);
  return out;
}

Tensor rectified(const Tensor& x, double most) {
  return most > 0 ? torch::clamp(x, 0, most) : torch::relu(x);
}

}  // namespace

Tensor Tap::sum_messages(const Tensor& x, const Tensor& weight, const TapContext& context) {
  return sum_at_target(forward(messages(x, weight, *context.topology), context), *context.topology);
}

Network::Network(Graph graph, const RandomStream& init) : graph_(std::move(graph)) {
  const auto shapes = infer_shapes(graph_);
  const size_t count = graph_.nodes.size();
  own_.resize(count);
  last_use_.assign(count, static_cast<int>(count) - 1);
  rows_.assign(count, Rows::Sample);
  const auto consumers = graph_.consumers();
  bool on_graph = false;
  for (const Node& node : graph_.nodes) on_graph |= passes_messages(node.operation);
  for (size_t i = 0; i < count; ++i) {
    const Node& node = graph_.nodes[i];
    const auto parameters = parameters_of(node.operation);
    // Registered by name: the order of parameters() is that of what optimizers have saved.
    std::map<std::string, size_t> by_name;
    for (size_t k = 0; k < parameters.size(); ++k) by_name.emplace(parameters[k].name, k);
    for (const auto& [name, k] : by_name) {
      const Tensor start = initial(parameters[k], init.child(i).child(k));
      const std::string key = module_key(node.scope + "." + name);
      own_[i][name] =
          parameters[k].is_buffer ? register_buffer(key, start) : register_parameter(key, start);
    }
    if (!consumers[i].empty()) last_use_[i] = consumers[i].back();
    if (i == 0)
      rows_[i] = on_graph ? Rows::GraphNode : Rows::Sample;
    else
      rows_[i] = output_rows(node.operation).value_or(rows_[static_cast<size_t>(node.inputs[0])]);
  }
}

Tensor Network::parameter(int node, const std::string& name) const {
  const auto& own = own_.at(static_cast<size_t>(node));
  auto found = own.find(name);
  return found == own.end() ? Tensor() : found->second;
}

std::vector<std::pair<std::string, Tensor>> Network::state() const {
  std::vector<std::pair<std::string, Tensor>> out;
  for (size_t i = 0; i < own_.size(); ++i)
    for (const OperationParameter& parameter : parameters_of(graph_.nodes[i].operation))
      out.emplace_back(graph_.nodes[i].scope + "." + parameter.name, own_[i].at(parameter.name));
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

bool Network::is_observed(const Point& point) const {
  return observer_ && std::find(observed_->begin(), observed_->end(), point) != observed_->end();
}

Tensor Network::tapped(const Point& point, const Tensor& x, const TapContext& context) {
  if (is_observed(point))
    (*observer_)(point, context.relu ? rectified(x, context.relu_max) : x, context);
  if (!taps_on_) return x;
  auto found = taps_.find(point);
  if (found == taps_.end()) return x;
  Tap& tap = *found->second;
  if (compute_.nudge != 0 && context.rows != Rows::Parameter) {
    const Tensor nudged = x * (1 + compute_.nudge);
    return tap.forward(nudged, context);
  }
  if (x.scalar_type() != torch::kBFloat16 || tap.takes_bf16()) return tap.forward(x, context);
  return tap.forward(x.to(torch::kFloat), context).to(torch::kBFloat16);
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
    TapContext context{batch, on, rows};
    if (kind == PointKind::Weight) context.operand = &inputs[0];
    return tapped({index, kind}, x, context);
  };
  how.propagate = [&](const Tensor& x, const Tensor& weight, const Topology& on) {
    const Point message{index, PointKind::Message};
    const TapContext context{batch, &on, Rows::Edge};
    const auto found = taps_on_ ? taps_.find(message) : taps_.end();
    const bool observed = is_observed(message) || compute_.nudge != 0;
    if (found == taps_.end() && !observed) return propagate(x, weight, on);
    if (!observed && found->second->sums_messages() && x.scalar_type() == torch::kFloat)
      return found->second->sum_messages(x, weight, context);
    return sum_at_target(tapped(message, messages(x, weight, on), context), on);
  };
  how.training = is_training();
  Tensor value = quantbench::evaluate(node, inputs, batch, how);
  if (index == 0 && compute_.channels_last && value.dim() == 4) value = channels_last(value);
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
