#include "runtime/slots.h"

#include "base/error.h"
#include "models/operations.h"

namespace quantbench {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 40;  // of one parameter

void check_size(const std::string& name, const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (int64_t size : shape) {
    require(size > 0 && size <= kMostElements / elements, "The parameter {} is absurdly large.",
            name);
    elements *= size;
  }
}

}  // namespace

std::vector<ParameterSlot> parameter_slots(const Graph& graph) {
  std::vector<ParameterSlot> slots;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (OperationParameter& parameter : parameters_of(graph.nodes[i].operation)) {
      const std::string name = graph.nodes[i].scope + "." + parameter.name;
      check_size(name, parameter.shape);
      slots.push_back(
          {name, parameter.name, static_cast<int>(i), std::move(parameter.shape), parameter.point});
    }
  return slots;
}

std::optional<std::vector<int64_t>> activation_shape(
    const Graph& graph, const Point& point, const std::vector<std::vector<int64_t>>& shapes) {
  if (point.kind == PointKind::Weight || point.kind == PointKind::Bias) return std::nullopt;
  return value_shape(graph, point, shapes);
}

}  // namespace quantbench
