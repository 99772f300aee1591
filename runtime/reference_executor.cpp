#include "runtime/reference_executor.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "models/evaluate.h"
#include "runtime/integer_grid.h"
#include "runtime/integer_layer.h"
#include "runtime/package_check.h"
#include "runtime/slots.h"

namespace quantbench {
namespace {

// Images that go through the network together: few enough to stay in a core's cache.
constexpr int64_t kImagesAtOnce = 8;

// Where a value lies: on the grid of some format, or anywhere.
struct Range {
  float scale = 1;
  int64_t largest = 0;
};
using MaybeRange = std::optional<Range>;

// Whether float64 holds every sum of products.
bool exact(const Range& operand, const IntegerWeight& weight) {
  constexpr int64_t kLargestSum = int64_t{1} << 53;
  return operand.largest == 0 || weight.largest_row_sum <= kLargestSum / operand.largest;
}

MaybeRange range_of(const std::optional<IntegerGrid>& grid) {
  if (!grid) return std::nullopt;
  return Range{grid->scale(), grid->largest()};
}

// A value as real numbers, or as integers of a grid, or both.
class Value {
 public:
  static Value of_real(Tensor real) {
    Value value;
    value.real_ = std::move(real);
    return value;
  }
  static Value of_integers(Tensor integers, float scale) {
    Value value;
    value.integers_ = std::move(integers);
    value.scale_ = scale;
    return value;
  }

  const Tensor& real() const {
    if (!real_.defined()) real_ = integers_ * scale_;
    return real_;
  }
  bool on_grid() const { return integers_.defined(); }
  const Tensor& integers() const { return integers_; }
  float scale() const { return scale_; }

 private:
  mutable Tensor real_;
  Tensor integers_;
  float scale_ = 1;
};

// What leaves or enters at a point that has a format.
class Place {
 public:
  explicit Place(Format format) : format_(std::move(format)) {
    if (auto* uniform = std::get_if<UniformFormat>(&format_)) grid_ = IntegerGrid::of(*uniform);
  }

  const std::optional<IntegerGrid>& grid() const { return grid_; }
  const Format& format() const { return format_; }

  Value operator()(const Tensor& x) const {
    // A number that is none must stay visible, and integers have no room for it.
    if (!grid_ || torch::isnan(x).any().item<bool>()) return Value::of_real(apply(format_, x));
    return Value::of_integers(grid_->place(x), grid_->scale());
  }

 private:
  Format format_;
  std::optional<IntegerGrid> grid_;
};

// Its output holds numbers of its input and zeros, nothing new.
bool keeps_grid(const Operation& operation) {
  if (auto* relu = std::get_if<op::Relu>(&operation)) return relu->max == 0;
  return std::holds_alternative<op::Flatten>(operation) ||
         std::holds_alternative<op::Dropout>(operation) ||
         std::holds_alternative<op::PadShortcut>(operation) ||
         std::holds_alternative<op::MaxPool>(operation);
}

}  // namespace

struct ReferenceExecutor::State {
  Graph graph;
  std::vector<std::map<std::string, Tensor>> parameters;  // of each node
  std::map<Point, Place> places;
  std::vector<std::unique_ptr<IntegerLayer>> layers;  // of each node; null: computed in float
  std::vector<int> last_use;
  double integer_share = 0;
  bool quantized = false;  // something is: what is left in float is then multiplied exactly, too

  explicit State(Package package) : graph(std::move(package.graph)) {
    const size_t count = graph.nodes.size();
    parameters.resize(count);
    layers.resize(count);
    for (const ParameterSlot& slot : parameter_slots(graph)) {
      const auto node = static_cast<size_t>(slot.node);
      const auto encoded =
          slot.kind ? package.weights.find({slot.node, *slot.kind}) : package.weights.end();
      parameters[node][slot.local] = encoded == package.weights.end()
                                         ? package.parameters.at(slot.name)
                                         : decode(encoded->second);
    }
    for (const auto& [point, format] : package.activations)
      if (!std::holds_alternative<FloatFormat>(format)) places.emplace(point, Place(format));
    quantized = !package.weights.empty() || !places.empty();
    plan(package.weights);
    last_use.resize(count, static_cast<int>(count) - 1);
    const auto consumers = graph.consumers();
    for (size_t i = 0; i < count; ++i)
      if (!consumers[i].empty())
        last_use[i] = *std::max_element(consumers[i].begin(), consumers[i].end());
  }

  const Place* place(const Point& point) const {
    const auto found = places.find(point);
    return found == places.end() ? nullptr : &found->second;
  }

  Tensor parameter(size_t node, const std::string& name) const {
    const auto found = parameters[node].find(name);
    return found == parameters[node].end() ? Tensor() : found->second;
  }

  // Follows the grids through the graph and puts an integer layer wherever two of them meet.
  void plan(const std::map<Point, Encoding>& weights) {
    const auto macs = count_macs(graph);
    int64_t total = 0, on_integers = 0;
    std::vector<MaybeRange> ranges;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      const int index = static_cast<int>(i);
      MaybeRange operand;
      if (!node.inputs.empty()) {
        const Place* at_input = place({index, PointKind::Input, 0});
        operand =
            at_input ? range_of(at_input->grid()) : ranges[static_cast<size_t>(node.inputs[0])];
      }
      const Place* at_output = place({index, PointKind::Output, 0});
      if (at_output)
        ranges.push_back(range_of(at_output->grid()));
      else
        ranges.push_back(keeps_grid(node.operation) ? operand : std::nullopt);

      total += macs[i];
      const auto encoding = weights.find({index, PointKind::Weight, 0});
      if (!operand || encoding == weights.end()) continue;
      auto* uniform = std::get_if<UniformEncoding>(&encoding->second);
      const auto weight = uniform ? integer_weight(*uniform) : std::nullopt;
      if (!weight || !exact(*operand, *weight)) continue;
      layers[i] = std::make_unique<IntegerLayer>(node.operation, *weight, parameter(i, "bias"),
                                                 operand->scale, operand->largest);
      on_integers += macs[i];
    }
    if (total > 0) integer_share = static_cast<double>(on_integers) / static_cast<double>(total);
  }

  Value evaluate(size_t i, const Batch& batch, const std::vector<Value>& values) const {
    const Node& node = graph.nodes[i];
    const int index = static_cast<int>(i);
    std::vector<Value> inputs;
    for (size_t port = 0; port < node.inputs.size(); ++port) {
      const Value& value = values[static_cast<size_t>(node.inputs[port])];
      const Place* at_input = place({index, PointKind::Input, static_cast<int>(port)});
      inputs.push_back(at_input ? (*at_input)(value.real()) : value);
    }

    Evaluation how;
    how.exact_products = quantized;
    how.parameter = [&](const char* name) { return parameter(i, name); };
    how.tap = [&](PointKind kind, const Tensor& x, const Topology*, Rows) {
      const Place* inside = place({index, kind, 0});
      return inside ? apply(inside->format(), x) : x;
    };
    const auto compute = [&](const std::vector<Tensor>& operands) {
      return quantbench::evaluate(node, operands, batch, how);
    };
    const auto real_inputs = [&] {
      std::vector<Tensor> real;
      for (const Value& input : inputs) real.push_back(input.real());
      return real;
    };

    const Place* at_output = place({index, PointKind::Output, 0});
    const bool on_grid = inputs.size() == 1 && inputs[0].on_grid();
    if (on_grid && keeps_grid(node.operation) && !at_output)
      return Value::of_integers(compute({inputs[0].integers()}), inputs[0].scale());
    Tensor value =
        layers[i] && on_grid ? layers[i]->forward(inputs[0].integers()) : compute(real_inputs());
    // The memory format of training, so that sums over pixels run in the same order.
    if (i == 0 && value.dim() == 4) value = value.contiguous(torch::MemoryFormat::ChannelsLast);
    return at_output ? (*at_output)(value) : Value::of_real(value);
  }

  Tensor run(const Batch& batch) const {
    const torch::NoGradGuard no_grad;
    std::vector<Value> values;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      values.push_back(evaluate(i, batch, values));
      for (int input : graph.nodes[i].inputs)
        if (last_use[static_cast<size_t>(input)] == static_cast<int>(i))
          values[static_cast<size_t>(input)] = {};
    }
    return values.back().real();
  }
};

ReferenceExecutor::ReferenceExecutor(Package package) {
  check(package, "The package of " + package.graph.name);
  state_ = std::make_unique<State>(std::move(package));
}

ReferenceExecutor::~ReferenceExecutor() = default;

Tensor ReferenceExecutor::forward(const Batch& batch) const {
  const Batch here = batch.to(torch::kCPU);
  const std::vector<int64_t>& shape = state_->graph.input_shape;
  require(here.input.dim() == static_cast<int64_t>(shape.size()) + 1 &&
              here.input.sizes().slice(1) == torch::IntArrayRef(shape),
          "The network {} does not take inputs of that shape.", state_->graph.name);
  const int64_t rows = here.input.size(0);
  if (here.topology || rows <= kImagesAtOnce) return state_->run(here);

  const int64_t chunks = (rows + kImagesAtOnce - 1) / kImagesAtOnce;
  std::vector<Tensor> outputs(static_cast<size_t>(chunks));
  at::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      Batch part;
      const int64_t begin = chunk * kImagesAtOnce;
      part.input = here.input.narrow(0, begin, std::min(kImagesAtOnce, rows - begin));
      outputs[static_cast<size_t>(chunk)] = state_->run(part);
    }
  });
  return torch::cat(outputs);
}

double ReferenceExecutor::integer_share() const { return state_->integer_share; }

}  // namespace quantbench
