#include "runtime/slots.h"

#include "base/error.h"

namespace quantbench {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 40;  // of one parameter

struct SlotsOf {
  const Node& node;
  int index;
  std::vector<ParameterSlot>& slots;

  void add(const char* local, std::vector<int64_t> shape,
           std::optional<PointKind> kind = std::nullopt) const {
    int64_t elements = 1;
    for (int64_t size : shape) {
      require(size > 0 && size <= kMostElements / elements,
              "The parameter {}.{} is absurdly large.", node.scope, local);
      elements *= size;
    }
    slots.push_back({node.scope + "." + local, local, index, std::move(shape), kind});
  }

  void operator()(const op::Conv2d& c) const {
    add("weight", {c.out, c.in / c.groups, c.kernel[0], c.kernel[1]}, PointKind::Weight);
    if (c.bias) add("bias", {c.out}, PointKind::Bias);
  }
  void operator()(const op::Linear& l) const {
    add("weight", {l.out, l.in}, PointKind::Weight);
    if (l.bias) add("bias", {l.out}, PointKind::Bias);
  }
  void operator()(const op::Bias& b) const { add("bias", {b.features}, PointKind::Bias); }
  void operator()(const op::BatchNorm& b) const {
    for (const char* name : {"weight", "bias", "running_mean", "running_var"})
      add(name, {b.features});
  }
  void operator()(const op::Attention& a) const {
    add("att_src", {1, a.heads, a.features});
    add("att_dst", {1, a.heads, a.features});
  }
  void operator()(const op::GinUpdate&) const { add("eps", {1}); }
  template <typename Other>
  void operator()(const Other&) const {}
};

}  // namespace

std::vector<ParameterSlot> parameter_slots(const Graph& graph) {
  std::vector<ParameterSlot> slots;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    std::visit(SlotsOf{graph.nodes[i], static_cast<int>(i), slots}, graph.nodes[i].operation);
  return slots;
}

std::optional<std::vector<int64_t>> activation_shape(
    const Graph& graph, const Point& point, const std::vector<std::vector<int64_t>>& shapes) {
  if (point.node < 0 || point.node >= static_cast<int>(graph.nodes.size())) return std::nullopt;
  const auto index = static_cast<size_t>(point.node);
  const Node& node = graph.nodes[index];
  if (point.kind == PointKind::Input) {
    if (point.port < 0 || point.port >= static_cast<int>(node.inputs.size())) return std::nullopt;
    return shapes[static_cast<size_t>(node.inputs[static_cast<size_t>(point.port)])];
  }
  if (point.port != 0) return std::nullopt;
  if (point.kind == PointKind::Output) return shapes[index];
  if (auto* p = std::get_if<op::Propagate>(&node.operation)) {
    if (point.kind == PointKind::EdgeNorm && p->reduce == op::Reduce::Gcn)
      return std::vector<int64_t>{};
    if (point.kind == PointKind::Message) return shapes[index];
  }
  if (auto* a = std::get_if<op::Attention>(&node.operation)) {
    if (point.kind == PointKind::Message) return std::vector<int64_t>{a->heads * a->features};
    if (point.kind == PointKind::AttentionLogit) return std::vector<int64_t>{a->heads};
    if (point.kind == PointKind::AttentionVector)
      return std::vector<int64_t>{2, a->heads, a->features};
  }
  return std::nullopt;
}

std::optional<PointKind> point_kind(const std::string& name) {
  for (PointKind kind : {PointKind::Weight, PointKind::Bias, PointKind::Input, PointKind::Output,
                         PointKind::EdgeNorm, PointKind::Message, PointKind::AttentionVector,
                         PointKind::AttentionLogit})
    if (name == name_of(kind)) return kind;
  return std::nullopt;
}

}  // namespace quantbench
