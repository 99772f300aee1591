#include "runtime/onnx/importer.h"

#include <algorithm>

#include "runtime/package_check.h"

namespace quantbench {
namespace {

constexpr size_t kMostNodes = 4096;

}  // namespace

bool same_format(const UniformFormat& a, const UniformFormat& b) {
  return a.is_signed == b.is_signed && a.narrow == b.narrow && torch::equal(a.bits, b.bits) &&
         torch::equal(a.scale, b.scale) && torch::equal(a.zero_point, b.zero_point);
}

Importer::Importer(const ForeignModel& model, std::string what)
    : model_(model), what_(std::move(what)) {
  require(model.nodes.size() <= kMostNodes, "{} has {} nodes; up to {} are taken.", what_,
          model.nodes.size(), kMostNodes);
  for (const ForeignNode& node : model.nodes)
    for (const std::string& input : node.inputs) ++uses_[input];
  ++uses_[model.output];
  Graph& graph = package_.graph;
  graph.name = model.name.empty() ? "imported" : model.name;
  graph.input_shape = model.input_shape;
  graph.nodes.push_back({"input", "input", op::Input{}, {}, ""});
  names_.insert("input");
  shapes_.push_back(model.input_shape);
  values_[model.input] = {0, uses_[model.input] == 1};
}

Package Importer::package() && {
  for (const ForeignNode& node : model_.nodes) take(node);
  const Value* logits = value_at(model_.output);
  require(logits != nullptr, "{}: the output '{}' is no float value.", what_, model_.output);
  Graph& graph = package_.graph;
  require(logits->node == graph.output(), "{}: the output '{}' is not what its last node gives.",
          what_, model_.output);
  require(shapes_.back().size() == 1, "{}: the output '{}' is no row of logits.", what_,
          model_.output);
  graph.class_count = shapes_.back()[0];
  check(package_, what_);
  return std::move(package_);
}

const Importer::Value* Importer::value_at(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

const Importer::Value& Importer::value_of(const ForeignNode& node, size_t port) const {
  const Value* value = port < node.inputs.size() ? value_at(node.inputs[port]) : nullptr;
  need(value != nullptr, node, "its input {} is no float value that the network computes", port);
  return *value;
}

const Tensor* Importer::constant_at(const ForeignNode& node, size_t port) const {
  if (port >= node.inputs.size()) return nullptr;
  const auto own = computed_.find(node.inputs[port]);
  if (own != computed_.end()) return &own->second;
  const auto found = model_.constants.find(node.inputs[port]);
  return found == model_.constants.end() ? nullptr : &found->second;
}

std::optional<Tensor> Importer::real_constant(const ForeignNode& node, size_t port) const {
  if (port >= node.inputs.size()) return std::nullopt;
  const auto quantized = quantized_constants_.find(node.inputs[port]);
  if (quantized != quantized_constants_.end()) return quantized->second.real();
  const Tensor* plain = constant_at(node, port);
  if (plain && plain->is_floating_point()) return plain->to(torch::kFloat);
  return std::nullopt;
}

std::vector<int64_t> Importer::whole_numbers(const ForeignNode& node, size_t port,
                                             const char* what) const {
  const Tensor* value = constant_at(node, port);
  need(value != nullptr && !value->is_floating_point() && value->numel() <= 16, node,
       "its {} are no constant", what);
  const Tensor flat = value->to(torch::kLong).flatten().contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

int Importer::add(const ForeignNode& from, Operation operation, std::vector<int> inputs) {
  std::string name = from.name.empty() ? "node" : from.name;
  std::string free = name;
  for (int i = 2; !names_.insert(free).second; ++i) free = fmt::format("{}_{}", name, i);
  Graph& graph = package_.graph;
  graph.nodes.push_back({free, free, std::move(operation), std::move(inputs), ""});
  try {
    shapes_ = infer_shapes(graph);
  } catch (const Error& problem) {
    fail("{}: node {} ({}) cannot be taken: {}", what_, from.name, from.operation, problem.what());
  }
  return graph.output();
}

void Importer::parameter(int node, const char* name, const Tensor& value) {
  package_.parameters[node_at(node).scope + "." + name] =
      value.to(torch::kFloat).contiguous().clone();
}

void Importer::give(const ForeignNode& node, int ours, bool exclusive) {
  values_[node.outputs[0]] = {ours, exclusive && uses_[node.outputs[0]] == 1};
}

// Without recursion: a file may chain, or join, as many moves as it likes.
std::optional<UniformFormat> Importer::grid_of(int last) const {
  const auto own = [&](int i) -> std::optional<UniformFormat> {
    const auto found = package_.activations.find({i, PointKind::Output});
    if (found == package_.activations.end()) return std::nullopt;
    return std::get<UniformFormat>(found->second);
  };
  const auto moves = [&](int i) {
    const Node& node = node_at(i);
    return std::holds_alternative<op::MaxPool>(node.operation) ||
           std::holds_alternative<op::Flatten>(node.operation) ||
           std::holds_alternative<op::PadShortcut>(node.operation) ||
           std::holds_alternative<op::Concat>(node.operation);
  };
  std::set<int> waiting{last};  // nodes whose grid must be the one that was found, the last first
  std::optional<UniformFormat> all;
  while (!waiting.empty()) {
    const int i = *waiting.rbegin();
    waiting.erase(i);
    if (const auto one = own(i)) {
      if (all && !same_format(*all, *one)) return std::nullopt;
      all = one;
    } else if (moves(i)) {
      waiting.insert(node_at(i).inputs.begin(), node_at(i).inputs.end());
    } else {
      return std::nullopt;
    }
  }
  return all;
}

void Importer::take(const ForeignNode& node) {
  need(node.domain.empty(), node, "its domain '{}' is none of ONNX's own", node.domain);
  need(!node.outputs.empty(), node, "it has no output");
  need(std::all_of(node.outputs.begin() + 1, node.outputs.end(),
                   [](const auto& o) { return o.empty(); }),
       node, "it has several outputs");
  using Handler = void (Importer::*)(const ForeignNode&);
  static const std::map<std::string, Handler> kHandlers{
      {"QuantizeLinear", &Importer::quantize_linear},
      {"DequantizeLinear", &Importer::dequantize_linear},
      {"Clip", &Importer::clip},
      {"Conv", &Importer::conv},
      {"Gemm", &Importer::gemm},
      {"MatMul", &Importer::mat_mul},
      {"Add", &Importer::add_node},
      {"Concat", &Importer::concat},
      {"Relu", &Importer::relu},
      {"Elu", &Importer::elu},
      {"BatchNormalization", &Importer::batch_norm},
      {"MaxPool", &Importer::max_pool},
      {"AveragePool", &Importer::average_pool},
      {"GlobalAveragePool", &Importer::global_average_pool},
      {"ReduceMean", &Importer::reduce_mean},
      {"Flatten", &Importer::flatten},
      {"Reshape", &Importer::flatten},
      {"Squeeze", &Importer::squeeze},
      {"Identity", &Importer::pass},
      {"Dropout", &Importer::pass},
      {"Cast", &Importer::cast},
      {"Mul", &Importer::mul},
      {"Slice", &Importer::slice},
      {"Pad", &Importer::pad},
      {"Constant", &Importer::constant},
  };
  const auto handler = kHandlers.find(node.operation);
  need(handler != kHandlers.end(), node, "a package has no such operation");
  (this->*handler->second)(node);
}

}  // namespace quantbench
