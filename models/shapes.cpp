#include "models/shapes.h"

#include <fmt/ranges.h>

#include <limits>

#include "base/error.h"
#include "models/operations.h"

namespace quantbench {
namespace {

using Shape = std::vector<int64_t>;
constexpr int64_t kLargest = int64_t{1} << 24;  // of any one size in a graph
constexpr int64_t kMostMacs = int64_t{1} << 60;

struct ShapeOf {
  const Graph& graph;
  const Node& node;
  std::vector<Shape> in;

  template <typename... Args>
  void check(bool condition, fmt::format_string<Args...> what, Args&&... args) const {
    if (!condition)
      fail("Graph {}, node {}: {}.", graph.name, node.name,
           fmt::format(what, std::forward<Args>(args)...));
  }

  void arity(size_t count) const {
    check(in.size() == count, "{} takes {} input(s), not {}", name_of(node.operation), count,
          in.size());
  }

  void image() const { check(in[0].size() == 3, "an image [C, H, W] is needed"); }

  int64_t window(int64_t size, int64_t kernel, int64_t stride, int64_t padding) const {
    check(kernel > 0 && stride > 0 && kernel <= kLargest && stride <= kLargest,
          "kernel and stride must be positive");
    check(size + padding >= kernel, "a window of {} does not fit a size of {}", kernel,
          size + padding);
    return (size + padding - kernel) / stride + 1;
  }

  Shape operator()(const op::Input&) const {
    check(in.empty(), "an input has no inputs");
    return graph.input_shape;
  }

  Shape operator()(const op::Conv2d& c) const {
    arity(1);
    image();
    check(c.in == in[0][0], "it expects {} channels and gets {}", c.in, in[0][0]);
    check(c.out > 0 && c.out <= kLargest && c.groups > 0 && c.in % c.groups == 0 &&
              c.out % c.groups == 0,
          "channels {} -> {} do not fit {} groups", c.in, c.out, c.groups);
    for (int64_t p : c.padding) check(p >= 0 && p <= kLargest, "padding {} is absurd", p);
    return {c.out, window(in[0][1], c.kernel[0], c.stride[0], c.padding[0] + c.padding[2]),
            window(in[0][2], c.kernel[1], c.stride[1], c.padding[1] + c.padding[3])};
  }

  Shape operator()(const op::Linear& l) const {
    arity(1);
    check(in[0].size() == 1 && in[0][0] == l.in, "it expects {} features and gets {}", l.in,
          fmt::join(in[0], "x"));
    check(l.out > 0 && l.out <= kLargest, "{} outputs are absurd", l.out);
    return {l.out};
  }

  Shape operator()(const op::Bias& b) const {
    return features(b.features, in[0].empty() ? 0 : in[0].back());
  }
  Shape operator()(const op::BatchNorm& b) const {
    return features(b.features, in[0].empty() ? 0 : in[0].front());
  }
  Shape features(int64_t expected, int64_t got) const {
    arity(1);
    check(expected == got, "it expects {} features and gets {}", expected, got);
    return in[0];
  }

  Shape same() const {
    arity(1);
    return in[0];
  }
  Shape operator()(const op::Relu&) const { return same(); }
  Shape operator()(const op::Elu&) const { return same(); }
  Shape operator()(const op::Dropout& d) const {
    check(d.p >= 0 && d.p < 1, "a drop rate is 0 <= p < 1");
    return same();
  }

  Shape operator()(const op::Add&) const { return pair(); }
  Shape operator()(const op::GinUpdate&) const { return pair(); }
  Shape pair() const {
    arity(2);
    check(in[0] == in[1], "inputs of shape {} and {} cannot be added", fmt::join(in[0], "x"),
          fmt::join(in[1], "x"));
    return in[0];
  }

  Shape operator()(const op::Concat&) const {
    check(!in.empty() && !in[0].empty(), "there is nothing to concatenate");
    Shape out = in[0];
    for (size_t i = 1; i < in.size(); ++i) {
      check(in[i].size() == out.size() && std::equal(out.begin() + 1, out.end(), in[i].begin() + 1),
            "its inputs differ in more than their channels");
      out[0] += in[i][0];
    }
    return out;
  }

  Shape operator()(const op::MaxPool& p) const {
    arity(1);
    image();
    const auto places = [&](int64_t size) { return pooled(size, p) + (p.ceil && hangs(size, p)); };
    return {in[0][0], places(in[0][1]), places(in[0][2])};
  }

  template <typename Pool>
  int64_t pooled(int64_t size, const Pool& p) const {
    check(p.padding >= 0 && p.padding <= p.kernel / 2, "padding is at most half the kernel");
    return window(size, p.kernel, p.stride, 2 * p.padding);
  }

  // Whether one more window, begun within the image and its first border, reaches beyond it.
  bool hangs(int64_t size, const op::MaxPool& p) const {
    const int64_t last = (pooled(size, p) - 1) * p.stride;
    return last + p.kernel < size + 2 * p.padding && last + p.stride < size + p.padding;
  }

  Shape operator()(const op::AvgPool& p) const {
    arity(1);
    image();
    return {in[0][0], pooled(in[0][1], p), pooled(in[0][2], p)};
  }
  Shape operator()(const op::GlobalAvgPool&) const {
    arity(1);
    image();
    return {in[0][0]};
  }
  Shape operator()(const op::Flatten&) const {
    arity(1);
    int64_t product = 1;
    for (int64_t size : in[0]) product *= size;
    return {product};
  }
  Shape operator()(const op::PadShortcut& p) const {
    arity(1);
    image();
    check(p.stride > 0 && p.stride <= kLargest && p.before >= 0 && p.after >= 0 &&
              p.before <= kLargest && p.after <= kLargest,
          "stride and padding channels must not be negative");
    return {in[0][0] + p.before + p.after, (in[0][1] + p.stride - 1) / p.stride,
            (in[0][2] + p.stride - 1) / p.stride};
  }

  Shape vectors() const {
    arity(1);
    check(in[0].size() == 1, "rows of features are needed");
    return in[0];
  }
  Shape operator()(const op::Propagate&) const { return vectors(); }
  Shape operator()(const op::ReadOut&) const { return vectors(); }
  Shape operator()(const op::Attention& a) const {
    vectors();
    check(a.heads > 0 && a.features > 0 && a.heads <= kLargest && a.features <= kLargest &&
              in[0][0] == a.heads * a.features,
          "{} heads of {} features do not make {}", a.heads, a.features, in[0][0]);
    return {a.concat ? a.heads * a.features : a.features};
  }
};

}  // namespace

std::vector<int64_t> infer_shape(const Graph& graph, int index, const std::vector<Shape>& shapes) {
  const Node& node = graph.nodes.at(static_cast<size_t>(index));
  ShapeOf shape_of{graph, node, {}};
  shape_of.check(std::holds_alternative<op::Input>(node.operation) == (index == 0),
                 "the first node, and no other, is the Input");
  for (int input : node.inputs) {
    shape_of.check(input >= 0 && input < index, "input {} is not an earlier node", input);
    shape_of.in.push_back(shapes[static_cast<size_t>(input)]);
  }
  shape_of.check(index == 0 || !node.inputs.empty(), "it has no inputs");
  Shape out = std::visit(shape_of, node.operation);
  int64_t product = 1;
  for (int64_t size : out) {
    shape_of.check(size > 0 && size <= kLargest, "a size of {} is absurd", size);
    product *= size;
    shape_of.check(product <= int64_t{1} << 32, "its output is absurdly large");
  }
  return out;
}

std::vector<Shape> infer_shapes(const Graph& graph) {
  require(!graph.nodes.empty(), "The graph {} is empty.", graph.name);
  std::vector<Shape> shapes;
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i)
    shapes.push_back(infer_shape(graph, i, shapes));
  return shapes;
}

std::vector<int64_t> count_macs(const Graph& graph) {
  const std::vector<Shape> shapes = infer_shapes(graph);
  std::vector<int64_t> macs(graph.nodes.size(), 0);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Operation& operation = graph.nodes[i].operation;
    if (!multiplies(operation)) continue;
    // Every place of the output takes each weight once.
    int64_t weights = 1, places = 1;
    for (const OperationParameter& parameter : parameters_of(operation))
      if (parameter.point == PointKind::Weight)
        for (int64_t size : parameter.shape) weights *= size;
    for (size_t axis = 1; axis < shapes[i].size(); ++axis) places *= shapes[i][axis];
    require(weights <= kMostMacs / places, "The node {} of graph {} multiplies absurdly often.",
            graph.nodes[i].name, graph.name);
    macs[i] = weights * places;
  }
  return macs;
}

}  // namespace quantbench
