#include "models/operations.h"

#include <algorithm>
#include <cmath>

namespace quantbench {
namespace {

using Shape = std::vector<int64_t>;
using Parameters = std::vector<OperationParameter>;

// A point between a node's inputs and its output that is none of its parameters.
struct Inner {
  PointKind kind;
  std::optional<Shape> shape;  // not set: that of the node's first input
};
using Inside = std::vector<Inner>;

// What an operation is unless its entry says otherwise.
struct Plain {
  static constexpr bool multiplies = false, passes_messages = false;
  static constexpr std::optional<Rows> output_rows = std::nullopt;
  template <typename Op>
  static Parameters parameters(const Op&) {
    return {};
  }
  template <typename Op>
  static Inside inside(const Op&) {
    return {};
  }
  template <typename Op>
  static Passes passes(const Op&) {
    return Passes::Nothing;
  }
  template <typename Op>
  static RunsOn runs_on(const Op&) {
    return RunsOn::Rows;
  }
};

struct PassesOn : Plain {
  template <typename Op>
  static Passes passes(const Op&) {
    return Passes::Everything;
  }
};

// PyTorch's start of Conv and Linear: Kaiming uniform with a = sqrt(5), i.e. +-1/sqrt(fan in).
Parameters weight_and_bias(Shape shape, bool bias) {
  double fan_in = 1;
  for (size_t i = 1; i < shape.size(); ++i) fan_in *= static_cast<double>(shape[i]);
  const double bound = 1 / std::sqrt(fan_in);
  const int64_t out = shape[0];
  Parameters made{{"weight", std::move(shape), PointKind::Weight, false, bound}};
  if (bias) made.push_back({"bias", {out}, PointKind::Bias, false, bound});
  return made;
}

double glorot(int64_t in, int64_t out) { return std::sqrt(6.0 / static_cast<double>(in + out)); }

// The table. There is no general case: an operation without an entry does not compile.
template <typename Op>
struct Entry;

template <>
struct Entry<op::Input> : Plain {
  static constexpr const char* name = "Input";
};

template <>
struct Entry<op::Conv2d> : Plain {
  static constexpr const char* name = "Conv2d";
  static constexpr bool multiplies = true;
  static Parameters parameters(const op::Conv2d& c) {
    return weight_and_bias({c.out, c.in / c.groups, c.kernel[0], c.kernel[1]}, c.bias);
  }
};

template <>
struct Entry<op::Linear> : Plain {
  static constexpr const char* name = "Linear";
  static constexpr bool multiplies = true;
  static Parameters parameters(const op::Linear& l) {
    if (l.bias && !l.keras_start) return weight_and_bias({l.out, l.in}, true);
    // Without bias it is the weight of a graph layer (GCN, GAT) or stands before BatchNorm: Glorot,
    // as PyTorch Geometric does.
    Parameters made{{"weight", {l.out, l.in}, PointKind::Weight, false, glorot(l.in, l.out)}};
    if (l.bias) made.push_back({"bias", {l.out}, PointKind::Bias});
    return made;
  }
};

template <>
struct Entry<op::Bias> : Plain {
  static constexpr const char* name = "Bias";
  static Parameters parameters(const op::Bias& b) {
    return {{"bias", {b.features}, PointKind::Bias}};
  }
};

template <>
struct Entry<op::BatchNorm> : Plain {
  static constexpr const char* name = "BatchNorm";
  static Parameters parameters(const op::BatchNorm& b) {
    return {{"weight", {b.features}, std::nullopt, false, 0, 1},
            {"bias", {b.features}, std::nullopt, false, 0, 0},
            {"running_mean", {b.features}, std::nullopt, true, 0, 0},
            {"running_var", {b.features}, std::nullopt, true, 0, 1}};
  }
};

template <>
struct Entry<op::Relu> : Plain {
  static constexpr const char* name = "Relu";
  static Passes passes(const op::Relu& relu) {
    return relu.max == 0 ? Passes::PositivePart : Passes::Nothing;
  }
};

template <>
struct Entry<op::Elu> : Plain {
  static constexpr const char* name = "Elu";
};

template <>
struct Entry<op::Add> : Plain {
  static constexpr const char* name = "Add";
};

template <>
struct Entry<op::Concat> : Plain {
  static constexpr const char* name = "Concat";
};

template <>
struct Entry<op::MaxPool> : PassesOn {
  static constexpr const char* name = "MaxPool";
};

template <>
struct Entry<op::AvgPool> : Plain {
  static constexpr const char* name = "AvgPool";
};

template <>
struct Entry<op::GlobalAvgPool> : Plain {
  static constexpr const char* name = "GlobalAvgPool";
};

template <>
struct Entry<op::Flatten> : PassesOn {
  static constexpr const char* name = "Flatten";
};

template <>
struct Entry<op::Dropout> : PassesOn {
  static constexpr const char* name = "Dropout";
};

template <>
struct Entry<op::PadShortcut> : PassesOn {
  static constexpr const char* name = "PadShortcut";
};

template <>
struct Entry<op::Propagate> : Plain {
  static constexpr const char* name = "Propagate";
  static constexpr bool passes_messages = true;
  static Inside inside(const op::Propagate& p) {
    if (p.reduce != op::Reduce::Gcn) return {{PointKind::Message, std::nullopt}};
    return {{PointKind::EdgeNorm, Shape{}}, {PointKind::Message, std::nullopt}};
  }
  static RunsOn runs_on(const op::Propagate& p) {
    return p.self_loops ? RunsOn::GraphWithSelfLoops : RunsOn::Graph;
  }
};

template <>
struct Entry<op::Attention> : Plain {
  static constexpr const char* name = "Attention";
  static constexpr bool passes_messages = true;
  static Parameters parameters(const op::Attention& a) {
    const double bound = glorot(a.heads, a.features);
    return {{"att_src", {1, a.heads, a.features}, std::nullopt, false, bound},
            {"att_dst", {1, a.heads, a.features}, std::nullopt, false, bound}};
  }
  static Inside inside(const op::Attention& a) {
    return {{PointKind::AttentionVector, Shape{2, a.heads, a.features}},
            {PointKind::AttentionLogit, Shape{a.heads}},
            {PointKind::Message, Shape{a.heads * a.features}}};
  }
  static RunsOn runs_on(const op::Attention&) { return RunsOn::GraphWithSelfLoops; }
};

template <>
struct Entry<op::GinUpdate> : Plain {
  static constexpr const char* name = "GinUpdate";
  static Parameters parameters(const op::GinUpdate& gin) {
    return {{"eps", {1}, std::nullopt, !gin.train_eps}};
  }
};

template <>
struct Entry<op::ReadOut> : Plain {
  static constexpr const char* name = "ReadOut";
  static constexpr std::optional<Rows> output_rows = Rows::Graph;
  static RunsOn runs_on(const op::ReadOut&) { return RunsOn::Graph; }
};

// Calls act(entry, operation) with the operation's entry.
template <typename Act>
auto with_entry(const Operation& operation, const Act& act) {
  return std::visit([&](const auto& o) { return act(Entry<std::decay_t<decltype(o)>>{}, o); },
                    operation);
}

Inside inside(const Operation& operation) {
  return with_entry(operation, [](auto entry, const auto& o) { return entry.inside(o); });
}

}  // namespace

const char* name_of(const Operation& operation) {
  return with_entry(operation, [](auto entry, const auto&) { return entry.name; });
}

Parameters parameters_of(const Operation& operation) {
  return with_entry(operation, [](auto entry, const auto& o) { return entry.parameters(o); });
}

Passes passes(const Operation& operation) {
  return with_entry(operation, [](auto entry, const auto& o) { return entry.passes(o); });
}

bool multiplies(const Operation& operation) {
  return with_entry(operation, [](auto entry, const auto&) { return entry.multiplies; });
}

RunsOn runs_on(const Operation& operation) {
  return with_entry(operation, [](auto entry, const auto& o) { return entry.runs_on(o); });
}

bool passes_messages(const Operation& operation) {
  return with_entry(operation, [](auto entry, const auto&) { return entry.passes_messages; });
}

std::optional<Rows> output_rows(const Operation& operation) {
  return with_entry(operation, [](auto entry, const auto&) { return entry.output_rows; });
}

std::vector<PointValue> points_of(const Graph& graph, int index, const std::vector<Shape>& shapes) {
  const Node& node = graph.nodes.at(static_cast<size_t>(index));
  const auto shape_of_input = [&](size_t port) {
    return shapes.at(static_cast<size_t>(node.inputs.at(port)));
  };
  std::vector<PointValue> out;
  for (size_t port = 0; port < node.inputs.size(); ++port)
    out.push_back({{index, PointKind::Input, static_cast<int>(port)}, shape_of_input(port)});
  for (OperationParameter& parameter : parameters_of(node.operation))
    if (parameter.point) out.push_back({{index, *parameter.point}, std::move(parameter.shape)});
  for (Inner& inner : inside(node.operation))
    out.push_back({{index, inner.kind}, inner.shape ? *inner.shape : shape_of_input(0)});
  out.push_back({{index, PointKind::Output}, shapes.at(static_cast<size_t>(index))});
  return out;
}

std::optional<Shape> value_shape(const Graph& graph, const Point& point,
                                 const std::vector<Shape>& shapes) {
  if (point.node < 0 || point.node > graph.output()) return std::nullopt;
  for (PointValue& value : points_of(graph, point.node, shapes))
    if (value.point == point) return std::move(value.shape);
  return std::nullopt;
}

bool has_point(const Graph& graph, const Point& point) {
  if (point.node < 0 || point.node > graph.output()) return false;
  const Node& node = graph.nodes[static_cast<size_t>(point.node)];
  if (point.kind == PointKind::Input)
    return point.port >= 0 && point.port < static_cast<int>(node.inputs.size());
  if (point.port != 0) return false;
  if (point.kind == PointKind::Output) return true;
  const auto parameters = parameters_of(node.operation);
  const auto inner = inside(node.operation);
  return std::any_of(parameters.begin(), parameters.end(),
                     [&](const auto& parameter) { return parameter.point == point.kind; }) ||
         std::any_of(inner.begin(), inner.end(),
                     [&](const Inner& each) { return each.kind == point.kind; });
}

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

std::optional<PointKind> point_kind(const std::string& name) {
  for (PointKind kind : {PointKind::Weight, PointKind::Bias, PointKind::Input, PointKind::Output,
                         PointKind::EdgeNorm, PointKind::Message, PointKind::AttentionVector,
                         PointKind::AttentionLogit})
    if (name == name_of(kind)) return kind;
  return std::nullopt;
}

}  // namespace quantbench
