// Steps in real numbers, and those of which QuantizeLinear and DequantizeLinear say all.
#include <algorithm>

#include "runtime/onnx/lowering.h"
#include "runtime/onnx/lowering_tensors.h"

namespace quantbench {

void Lowering::lower(const Step& step) {
  if (std::holds_alternative<Move>(step.work)) return lower_move(step);
  if (how_.kind != OnnxKind::Qdq) return lower_real(step);
  if (!lower_qdq(step)) lower_units(step);
}

std::string Lowering::moved(const Step& step, const std::vector<std::string>& inputs) {
  const Operation& operation = std::get<Move>(step.work).operation;
  const std::string wish = name_of_value(step.output) + ".moved";
  if (auto* pool = std::get_if<op::MaxPool>(&operation)) {
    // What ceil adds is a border behind: how far the last window reaches beyond the image.
    std::vector<int64_t> pads(4, pool->padding);
    for (size_t axis : {0, 1}) {
      const int64_t size = value(step.inputs[0]).shape[1 + axis];
      const int64_t last = (value(step.output).shape[1 + axis] - 1) * pool->stride - pool->padding;
      pads[2 + axis] = std::max(pool->padding, last + pool->kernel - size);
    }
    return writer_.node("MaxPool", inputs, wish,
                        {{"kernel_shape", std::vector<int64_t>(2, pool->kernel)},
                         {"strides", std::vector<int64_t>(2, pool->stride)},
                         {"pads", pads}});
  }
  if (std::holds_alternative<op::Flatten>(operation))
    return writer_.node("Flatten", inputs, wish, {{"axis", int64_t{1}}});
  if (std::holds_alternative<op::Concat>(operation))
    return writer_.node("Concat", inputs, wish, {{"axis", int64_t{1}}});
  const auto& pad = std::get<op::PadShortcut>(operation);
  std::string x = inputs[0];
  if (pad.stride != 1)
    x = writer_.node("Slice",
                     {x, writer_.constant("from", vector_of({0, 0})),
                      writer_.constant("to", vector_of({INT32_MAX, INT32_MAX})),
                      writer_.constant("axes", vector_of({2, 3})),
                      writer_.constant("steps", vector_of({pad.stride, pad.stride}))},
                     wish + ".rows");
  if (pad.before == 0 && pad.after == 0) return x;
  return writer_.node(
      "Pad", {x, writer_.constant("pads", vector_of({0, pad.before, 0, 0, 0, pad.after, 0, 0}))},
      wish);
}

void Lowering::lower_move(const Step& step) {
  const auto& grid = value(step.output).grid;
  const bool to_codes = has_codes(step.output);
  std::vector<std::string> inputs;
  for (int v : step.inputs)
    inputs.push_back(to_codes || how_.kind != OnnxKind::Qdq || !grid ? real(v) : integers(v));
  const std::string out = moved(step, inputs);
  if (to_codes) {
    // Bounds that hold already: what is moved lies on the grid.
    const CodeType type = *code_type(*grid);
    quantize_to_codes(step.output, out, static_cast<double>(grid->scale),
                      type.least() - type.zero_point, type.most() - type.zero_point);
  } else if (grid && how_.kind == OnnxKind::Qdq) {
    carried(step.output).integers = out;
  } else {
    carried(step.output).real = out;
  }
}

Tensor Lowering::accumulator_unit(const Step& step) const {
  const int v = step.inputs[0];
  const auto one = [](double number) { return torch::full({1}, number, torch::kDouble); };
  if (auto* product = std::get_if<Product>(&step.work)) {
    if (auto* weights = std::get_if<IntegerWeights>(&product->weights))
      return real_of(weights->scale) * scale_of(v);
    return one(std::holds_alternative<MultiBitWeights>(product->weights) ? scale_of(v) : 1.0);
  }
  const auto message_scale = [&](const std::optional<Quantization>& format, float a, double in) {
    // The scale that the messages are divided by, off the factor that does it.
    return in / (static_cast<double>(a) * format->step);
  };
  if (auto* work = std::get_if<Aggregate>(&step.work)) {
    const bool gcn = work->reduce == op::Reduce::Gcn;
    const double in =
        work->products ? scale_of(v) * (gcn ? static_cast<double>(work->norm_scale) : 1.0) : 1.0;
    if (!work->message_on_grid) return one(1);
    return one(work->message_format ? message_scale(work->message_format, work->message_a, in)
                                    : in);
  }
  if (auto* work = std::get_if<Attend>(&step.work))
    return one(work->message_on_grid ? message_scale(work->message_format, work->message_a, 1.0)
                                     : 1.0);
  if (std::holds_alternative<EluWork>(step.work)) return one(1);
  return one(scale_of(v));
}

std::string Lowering::relu_of(const Step& step, const std::string& x) {
  for (int node : step.nodes) {
    auto* relu = std::get_if<op::Relu>(&package_.graph.nodes[static_cast<size_t>(node)].operation);
    if (!relu) continue;
    const std::string wish = name_of_value(step.output) + ".relu";
    if (relu->max <= 0) return writer_.node("Relu", {x}, wish);
    return writer_.node(
        "Clip",
        {x, writer_.scalar("zero", 0), writer_.scalar("most", static_cast<float>(relu->max))},
        wish);
  }
  return x;
}

std::string Lowering::sum_pool(const Step& step, const std::string& x) {
  const auto& pool = std::get<SumPool>(step.work);
  const std::string wish = name_of_value(step.output) + ".mean";
  if (pool.kernel != 0)
    return writer_.node("AveragePool", {x}, wish,
                        {{"kernel_shape", std::vector<int64_t>(2, pool.kernel)},
                         {"strides", std::vector<int64_t>(2, pool.stride)},
                         {"pads", std::vector<int64_t>(4, pool.padding)},
                         {"count_include_pad", int64_t{1}}});
  const std::string mean = writer_.node("GlobalAveragePool", {x}, wish);
  return writer_.node("Flatten", {mean}, wish + ".flat", {{"axis", int64_t{1}}});
}

void Lowering::lower_real(const Step& step) {
  const int v = step.output;
  const std::string name = name_of_value(v);
  RealAffine affine = real_affine(step, plan_, accumulator_unit(step));
  std::string y;
  if (std::holds_alternative<Product>(step.work)) {
    y = real_product(step, affine);
  } else if (auto* pool = std::get_if<SumPool>(&step.work)) {
    y = sum_pool(step, real(step.inputs[0]));
    affine.factor = affine.factor * pool_count(*pool, value(step.inputs[0]));
  } else if (std::holds_alternative<Identity>(step.work)) {
    y = real(step.inputs[0]);
  } else if (std::holds_alternative<EluWork>(step.work)) {
    y = writer_.node("Elu", {real(step.inputs[0])}, name + ".elu");
  } else {
    y = graph_sum(step, how_.kind == OnnxKind::Qonnx);
    if (how_.kind == OnnxKind::Qonnx) affine.factor = affine.factor * accumulator_unit(step);
  }
  y = multiplied(y, affine.factor, v, name);
  y = added(y, affine.shift, v, name);
  for (size_t k = 0; k < affine.addends.size(); ++k)
    y = writer_.node(
        "Add",
        {y, multiplied(real(step.finish.addends[k].value), affine.addends[k], v, name + ".addend")},
        name + ".sum");
  y = relu_of(step, y);
  if (how_.kind == OnnxKind::Qonnx && value(v).point) {
    const auto format = package_.activations.find(*value(v).point);
    if (format != package_.activations.end()) y = qonnx_activation(y, format->second, v, name);
  }
  carried(v).real = y;
}

bool Lowering::lower_qdq(const Step& step) {
  const int v = step.output;
  const Finish& finish = step.finish;
  const std::string name = name_of_value(v);
  const bool quantizes = finish.quantization.has_value();
  if (quantizes && (!is_plain(*finish.quantization) || !has_codes(v))) return false;
  const bool bounded = !std::isinf(finish.least) || !std::isinf(finish.most);
  if (bounded && quantizes) return false;
  if (std::holds_alternative<Product>(step.work)) return product_qdq(step);
  RealAffine affine = real_affine(step, plan_, accumulator_unit(step));
  std::string y;
  if (auto* pool = std::get_if<SumPool>(&step.work)) {
    affine.factor = affine.factor * pool_count(*pool, value(step.inputs[0]));
    y = sum_pool(step, real(step.inputs[0]));
  } else if (std::holds_alternative<Identity>(step.work)) {
    y = real(step.inputs[0]);
  } else {
    return false;
  }
  y = multiplied(y, affine.factor, v, name);
  y = added(y, affine.shift, v, name);
  for (size_t k = 0; k < affine.addends.size(); ++k)
    y = writer_.node(
        "Add",
        {y, multiplied(real(finish.addends[k].value), affine.addends[k], v, name + ".addend")},
        name + ".sum");
  if (quantizes)
    quantize_to_codes(v, y, static_cast<double>(value(v).grid->scale), finish.quantization->low,
                      finish.quantization->high);
  else
    carried(v).real = relu_of(step, y);
  return true;
}

}  // namespace quantbench
