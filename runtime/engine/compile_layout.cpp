#include <algorithm>

#include "runtime/engine/compiler.h"

namespace quantbench::engine {

namespace {

// Whether no sum of stored bytes times weights leaves int32 and the weights are bytes themselves,
// or once a number is taken off those of each output.
bool fits_bytes(const Tensor& weights, const ValueGrid& grid, bool may_center) {
  if (weights.numel() == 0) return true;
  const auto bytes = centered(weights);
  if (!bytes || (!may_center && !bytes->center.empty())) return false;
  const int64_t row =
      bytes->weights.flatten(1).abs().sum(1, false, torch::kLong).max().item<int64_t>();
  const int64_t span = std::max<int64_t>(grid.high - std::min<int64_t>(grid.low, 0), 255);
  return row * span <= INT32_MAX;
}

}  // namespace

bool Compiler::is_view(const Step& step) const {
  auto* move = std::get_if<Move>(&step.work);
  if (!move || !std::holds_alternative<op::Flatten>(move->operation)) return false;
  return std::all_of(
             plan_.steps.begin(), plan_.steps.end(),
             [&](const Step& other) {
               const auto& inputs = other.inputs;
               if (std::find(inputs.begin(), inputs.end(), step.output) == inputs.end())
                 return std::none_of(
                     other.finish.addends.begin(), other.finish.addends.end(),
                     [&](const quantbench::Addend& addend) { return addend.value == step.output; });
               auto* product = std::get_if<Product>(&other.work);
               // Sums of floats have an order, that of the flattened features.
               return product && std::holds_alternative<IntegerWeights>(product->weights) &&
                      other.accumulator == Accumulator::Int32;
             }) &&
         step.output != plan_.output;
}

void Compiler::lay_out() {
  const size_t count = plan_.values.size();
  out_.layouts.resize(count);
  out_.roots.resize(count);
  for (size_t v = 0; v < count; ++v) {
    out_.roots[v] = static_cast<int>(v);
    Layout& y = out_.layouts[v];
    const std::vector<int64_t>& shape = plan_.values[v].shape;
    const Rows rows = plan_.values[v].rows;
    y.per = rows == Rows::GraphNode ? Per::Node : rows == Rows::Graph ? Per::Graph : Per::Image;
    if (!shape.empty()) y.channels = shape[0];
    if (shape.size() == 3) {
      y.height = shape[1];
      y.width = shape[2];
    }
  }
  for (const Step& step : plan_.steps)
    if (is_view(step)) out_.roots[static_cast<size_t>(step.output)] = root(step.inputs[0]);
  for (size_t v = 0; v < count; ++v)
    if (out_.roots[v] == static_cast<int>(v)) choose_cell(static_cast<int>(v));
  for (size_t v = 0; v < count; ++v) {
    Layout& y = out_.layouts[v];
    y.padded = dense_[v] ? y.channels : rounded_up(y.channels, kernels_.lanes);
  }
  for (const Step& step : plan_.steps)
    if (auto* product = std::get_if<Product>(&step.work)) {
      Layout& x = layout(root(step.inputs[0]));
      const ProductShape shape = shape_of(*product, x, layout(root(step.output)));
      x.left = std::max(x.left, shape.left);
      x.right = std::max(x.right, shape.right);
    }
}

void Compiler::choose_cell(int v) {
  const std::optional<ValueGrid>& grid = value(v).grid;
  bool bytes = kernels_.has_bytes, dense = v == 0;
  for (const Step& step : plan_.steps)
    if (step.output == v && reads_input(step)) dense = true;
  for (const Step& step : plan_.steps) {
    const auto reads = [&](int input) { return root(input) == v; };
    if (std::any_of(step.finish.addends.begin(), step.finish.addends.end(),
                    [&](const quantbench::Addend& addend) { return reads(addend.value); }))
      dense = false;
    if (std::none_of(step.inputs.begin(), step.inputs.end(), reads) || is_view(step)) continue;
    auto* product = std::get_if<Product>(&step.work);
    if (!product) {
      dense = false;
      continue;
    }
    if (std::holds_alternative<MultiBitWeights>(product->weights))
      bytes = bytes && grid && grid->low >= 0;
    if (auto* weights = std::get_if<IntegerWeights>(&product->weights))
      bytes = bytes && grid && fits_bytes(weights->integers, *grid, layout(v).per != Per::Image);
  }
  dense_.resize(plan_.values.size());
  Layout& y = layout(v);
  // Threads share the rows of a matrix, so none may reach into the next.
  dense_[static_cast<size_t>(v)] = dense && y.per == Per::Image;
  if (!grid) return;
  if (bytes && grid->high - std::min<int64_t>(grid->low, 0) <= 255) {
    y.cell = Cell::U8;
    y.shift = static_cast<int32_t>(-std::min<int64_t>(grid->low, 0));
  } else if (grid->low >= INT16_MIN && grid->high <= INT16_MAX) {
    y.cell = Cell::I16;
  } else {
    y.cell = Cell::I32;
  }
}

}  // namespace quantbench::engine
