#include "runtime/package_check.h"

#include <fmt/ranges.h>

#include <set>

#include "base/error.h"
#include "runtime/slots.h"

namespace quantbench {
namespace {

using Shape = std::vector<int64_t>;

std::string place(const Graph& graph, const Point& point, const std::string& what) {
  const bool known = point.node >= 0 && point.node < static_cast<int>(graph.nodes.size());
  return fmt::format(
      "{}: {} of node {}", what, name_of(point.kind),
      known ? graph.nodes[static_cast<size_t>(point.node)].name : std::to_string(point.node));
}

torch::IntArrayRef shape_of(const Encoding& encoding) {
  return std::visit(
      [](const auto& e) -> torch::IntArrayRef {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, FloatEncoding>)
          return e.value.sizes();
        else if constexpr (std::is_same_v<E, MultiBitEncoding>)
          return e.shape;
        else
          return e.codes.sizes();
      },
      encoding);
}

// Whether `scale` broadcasts to a value of `shape` without reaching its first, variable dimension.
bool broadcasts(torch::IntArrayRef scale, const Shape& shape) {
  if (scale.size() > shape.size()) return scale.size() == 1 && scale[0] == 1;
  for (size_t i = 1; i <= scale.size(); ++i) {
    const int64_t size = scale[scale.size() - i];
    if (size != 1 && size != shape[shape.size() - i]) return false;
  }
  return true;
}

void check_fit(const Format& format, const Point& point, const Shape& shape,
               const std::string& where) {
  if (auto* uniform = std::get_if<UniformFormat>(&format)) {
    // Only the attention vectors have a first dimension that does not count samples or edges.
    const bool channels = point.kind == PointKind::AttentionVector &&
                          uniform->granularity == Granularity::Channel &&
                          uniform->scale.numel() == shape[0];
    const bool one = uniform->scale.numel() == 1;
    require(one || channels ||
                (uniform->granularity == Granularity::Element &&
                 broadcasts(uniform->scale.sizes(), shape)),
            "{}: scales of shape [{}] do not fit its values of shape [{}].", where,
            fmt::join(uniform->scale.sizes(), ", "), fmt::join(shape, ", "));
  }
  if (auto* codebook = std::get_if<CodebookFormat>(&format))
    require(codebook->thresholds.defined(), "{}: a codebook of activations needs thresholds.",
            where);
}

}  // namespace

void check(const Package& package, const std::string& what) {
  const Graph& graph = package.graph;
  const auto shapes = infer_shapes(graph);
  const auto slots = parameter_slots(graph);

  std::set<Point> encodable;
  std::set<std::string> names;
  for (const ParameterSlot& slot : slots) {
    require(names.insert(slot.name).second, "{}: two parameters are named '{}'.", what, slot.name);
    const Point point{slot.node, slot.kind.value_or(PointKind::Weight)};
    if (slot.kind) encodable.insert(point);
    const auto encoding = slot.kind ? package.weights.find(point) : package.weights.end();
    const auto plain = package.parameters.find(slot.name);
    if (encoding != package.weights.end()) {
      const std::string where = place(graph, point, what);
      require(shape_of(encoding->second) == torch::IntArrayRef(slot.shape),
              "{}: its encoding has the shape [{}] instead of [{}].", where,
              fmt::join(shape_of(encoding->second), ", "), fmt::join(slot.shape, ", "));
      check(encoding->second, where);
      require(plain == package.parameters.end(), "{}: it is there both encoded and plain.", where);
      continue;
    }
    require(plain != package.parameters.end(), "{}: the parameter '{}' is missing.", what,
            slot.name);
    require(plain->second.scalar_type() == torch::kFloat &&
                plain->second.sizes() == torch::IntArrayRef(slot.shape),
            "{}: the parameter '{}' is not float32 of the shape [{}].", what, slot.name,
            fmt::join(slot.shape, ", "));
  }
  for (const auto& [name, tensor] : package.parameters)
    require(names.count(name) > 0, "{}: the graph has no parameter '{}'.", what, name);
  for (const auto& [point, encoding] : package.weights)
    require(encodable.count(point) > 0, "{}: the graph has no such weight.",
            place(graph, point, what));
  for (const auto& [point, format] : package.activations) {
    const std::string where = place(graph, point, what);
    const auto shape = activation_shape(graph, point, shapes);
    require(shape.has_value(), "{}: the graph has no such point.", where);
    check(format, where);
    check_fit(format, point, *shape, where);
  }
}

}  // namespace quantbench
