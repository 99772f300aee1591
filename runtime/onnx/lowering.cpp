#include "runtime/onnx/lowering.h"

#include <algorithm>

#include "base/error.h"

namespace quantbench {
namespace {

// Graph work scatters with a reduction.
constexpr int64_t kScatterOpset = 16;

Tensor vector_of(const std::vector<int64_t>& numbers) { return torch::tensor(numbers); }

bool all_equal(const Tensor& t, double number) {
  return (t.to(torch::kFloat) == static_cast<float>(number)).all().item<bool>();
}

Tensor real_of(const Tensor& t) { return t.to(torch::kDouble); }

}  // namespace

std::optional<CodeType> code_type(const ValueGrid& grid) {
  const auto holds = [&](const CodeType& type) {
    return type.zero_point >= type.least() && type.zero_point <= type.most() &&
           grid.low + type.zero_point >= type.least() && grid.high + type.zero_point <= type.most();
  };
  std::vector<CodeType> choices;
  const bool own = grid.codes.uniform && grid.codes.step == 1;
  const bool fills_a_type = grid.high - grid.low == 255;
  if (own && (fills_a_type || grid.codes.low >= 0))
    choices.push_back({grid.codes.low < 0, grid.codes.zero_point});
  // Fewer levels than a type has: unsigned, since ONNX Runtime's kernels want the same of what they
  // read and give, and ReLUs give unsigned ones.
  choices.push_back({false, 0});
  choices.push_back({false, -grid.low});
  choices.push_back({true, 0});
  for (const CodeType& choice : choices)
    if (holds(choice)) return choice;
  return std::nullopt;
}

bool is_plain(const Quantization& how) {
  return !how.by_thresholds() && !how.lows.defined() && how.step == 1 && !how.unit.defined() &&
         how.rounding == Rounding::HalfEven && how.overflow == Overflow::Saturate;
}

RealAffine real_affine(const Step& step, const Plan& plan, const Tensor& unit) {
  const auto& quantization = step.finish.quantization;
  const auto& grid = plan.values[static_cast<size_t>(step.output)].grid;
  const bool uniform = quantization && !quantization->by_thresholds();
  const double scale = uniform && grid ? static_cast<double>(grid->scale) : 1;
  const double steps = uniform ? quantization->step : 1;
  const double offset = uniform ? static_cast<double>(quantization->offset) : 0;
  RealAffine out;
  out.factor = real_of(step.finish.a) * (scale * steps) / unit;
  out.shift = (real_of(step.finish.b) * steps - offset) * scale;
  for (const Addend& addend : step.finish.addends) {
    const auto& of = plan.values[static_cast<size_t>(addend.value)].grid;
    out.addends.push_back(real_of(addend.a) * (scale * steps) /
                          (of ? static_cast<double>(of->scale) : 1.0));
  }
  return out;
}

Lowering::Lowering(const Package& package, const Plan& plan, const OnnxExport& how)
    : package_(package), plan_(plan), how_(how), writer_(plan.name) {
  carried_.resize(plan.values.size());
}

std::string Lowering::bytes() {
  const auto shape_of = [](const PlanValue& value) {
    const char* rows = value.rows == Rows::GraphNode ? "nodes"
                       : value.rows == Rows::Graph   ? "graphs"
                                                     : "batch";
    std::vector<OnnxDimension> shape{rows};
    for (int64_t size : value.shape) shape.emplace_back(size);
    return shape;
  };
  if (plan_.needs_topology) writer_.needs_opset(kScatterOpset);
  if (how_.kind == OnnxKind::Qonnx) writer_.uses_domain("qonnx.custom_op.general", 1);
  writer_.input("input", OnnxType::Float, shape_of(value(0)));
  carried(0).real = "input";
  for (const Step& step : plan_.steps) lower(step);
  std::string logits = real(plan_.output);
  if (logits == "input") logits = writer_.node("Identity", {logits}, "answer");
  writer_.rename_output(logits, "logits");
  writer_.output("logits", OnnxType::Float, shape_of(value(plan_.output)));
  for (const auto& [key, text] : package_.notes) writer_.metadata("quantbench." + key, text);
  for (const auto& [key, text] : how_.metadata) writer_.metadata("quantbench." + key, text);
  return writer_.bytes();
}

// --- values ---

std::string Lowering::name_of_value(int v) const { return value(v).name; }

bool Lowering::has_codes(int v) const {
  return how_.kind == OnnxKind::Qdq && value(v).grid && code_type(*value(v).grid);
}

std::string Lowering::zero_point(const CodeType& type) {
  return writer_.constant(
      "zero_point", torch::full({}, type.zero_point, type.is_signed ? torch::kChar : torch::kByte));
}

std::string Lowering::dequantized(const std::string& codes, const std::string& scale,
                                  const CodeType& type, const std::string& wish) {
  return writer_.node("DequantizeLinear", {codes, scale, zero_point(type)}, wish);
}

std::string Lowering::real(int v) {
  Carried& at = carried(v);
  if (!at.real.empty()) return at.real;
  const float scale = value(v).grid->scale;
  if (!at.codes.empty())
    at.real = dequantized(at.codes, writer_.scalar(name_of_value(v) + ".scale", scale),
                          *code_type(*value(v).grid), name_of_value(v) + ".real");
  else
    at.real = writer_.node("Mul", {at.integers, writer_.scalar(name_of_value(v) + ".scale", scale)},
                           name_of_value(v) + ".real");
  return at.real;
}

std::string Lowering::integers(int v) {
  Carried& at = carried(v);
  if (!at.integers.empty()) return at.integers;
  if (!at.codes.empty()) {
    at.integers = dequantized(at.codes, writer_.scalar("one", 1), *code_type(*value(v).grid),
                              name_of_value(v) + ".integers");
    return at.integers;
  }
  const std::string over = writer_.node(
      "Div", {at.real, writer_.scalar(name_of_value(v) + ".scale", value(v).grid->scale)},
      name_of_value(v) + ".steps");
  at.integers = writer_.node("Round", {over}, name_of_value(v) + ".integers");
  return at.integers;
}

void Lowering::quantize_to_codes(int v, const std::string& x, double scale, int64_t low,
                                 int64_t high) {
  const CodeType type = *code_type(*value(v).grid);
  const std::string name = name_of_value(v);
  const std::string by = scale == 1 ? writer_.scalar("one", 1)
                                    : writer_.scalar(name + ".scale", static_cast<float>(scale));
  carried(v).codes = writer_.node("QuantizeLinear", {x, by, zero_point(type)}, name + ".codes");
  // The type's own bounds saturate; any others are clipped on the integers, where rounding has been
  // done already and no float kernel comes between.
  const int64_t first = low + type.zero_point, last = high + type.zero_point;
  if (first <= type.least() && last >= type.most()) return;
  const auto kind = type.is_signed ? torch::kChar : torch::kByte;
  const auto bound = [&](const char* wish, int64_t at) {
    return writer_.constant(wish, torch::full({}, std::clamp(at, type.least(), type.most()), kind));
  };
  carried(v).codes =
      writer_.node("Clip", {carried(v).codes, bound("least_code", first), bound("most_code", last)},
                   name + ".clipped");
}

Tensor Lowering::by_channel(const Tensor& t, int v) const {
  std::vector<int64_t> shape(value(v).shape.size(), 1);
  if (shape.empty()) return t.reshape({});
  shape[0] = t.numel();
  return t.reshape(shape);
}

std::string Lowering::multiplied(const std::string& x, const Tensor& factor, int v,
                                 const std::string& wish) {
  if (all_equal(factor, 1)) return x;
  return writer_.node(
      "Mul", {x, writer_.constant(wish + ".factor", by_channel(factor, v).to(torch::kFloat))},
      wish + ".scaled");
}

std::string Lowering::added(const std::string& x, const Tensor& summand, int v,
                            const std::string& wish) {
  if (all_equal(summand, 0)) return x;
  return writer_.node(
      "Add", {x, writer_.constant(wish + ".shift", by_channel(summand, v).to(torch::kFloat))},
      wish + ".shifted");
}

// --- steps ---

void Lowering::lower(const Step& step) {
  if (std::holds_alternative<Move>(step.work)) return lower_move(step);
  if (how_.kind != OnnxKind::Qdq) return lower_real(step);
  if (!lower_qdq(step)) lower_units(step);
}

std::string Lowering::moved(const Operation& operation, const std::vector<std::string>& inputs,
                            int output) {
  const std::string wish = name_of_value(output) + ".moved";
  if (auto* pool = std::get_if<op::MaxPool>(&operation)) {
    const std::vector<int64_t> pads(4, pool->padding);
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
  const Operation& operation = std::get<Move>(step.work).operation;
  const auto& grid = value(step.output).grid;
  const bool to_codes = has_codes(step.output);
  std::vector<std::string> inputs;
  for (int v : step.inputs)
    inputs.push_back(to_codes || how_.kind != OnnxKind::Qdq || !grid ? real(v) : integers(v));
  const std::string out = moved(operation, inputs, step.output);
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
                         {"strides", std::vector<int64_t>(2, pool.stride)}});
  const std::string mean = writer_.node("GlobalAveragePool", {x}, wish);
  return writer_.node("Flatten", {mean}, wish + ".flat", {{"axis", int64_t{1}}});
}

namespace {

double pool_count(const SumPool& pool, const PlanValue& input) {
  return pool.kernel != 0 ? static_cast<double>(pool.kernel * pool.kernel)
                          : static_cast<double>(input.shape[1] * input.shape[2]);
}

}  // namespace

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

std::string Lowering::constant_like(const std::string& wish, const Tensor& t, bool wide) {
  return writer_.constant(wish, t.to(wide ? torch::kDouble : torch::kFloat));
}

std::string Lowering::quantized(const std::string& u, const Quantization& how, bool wide,
                                const std::string& wish) {
  const auto number = [&](double n) {
    return constant_like("number", torch::full({}, n, torch::kDouble), wide);
  };
  const auto node = [&](const char* op, std::vector<std::string> inputs, const char* what) {
    return writer_.node(op, inputs, wish + what);
  };
  const OnnxAttribute to_float{"to", int64_t{1}};
  if (how.by_thresholds()) {
    // The number of thresholds below u, for each element.
    const std::string spread =
        node("Unsqueeze", {u, writer_.constant("last_axis", vector_of({-1}))}, ".spread");
    const std::string above = node(
        "Greater", {spread, constant_like(wish + ".thresholds", how.thresholds, wide)}, ".above");
    const std::string each = writer_.node("Cast", {above}, wish + ".each", {{"to", int64_t{7}}});
    const std::string code =
        writer_.node("ReduceSum", {each, writer_.constant("last_axis", vector_of({-1}))},
                     wish + ".code", {{"keepdims", int64_t{0}}});
    return writer_.node("Gather",
                        {writer_.constant(wish + ".levels", how.levels.to(torch::kFloat)), code},
                        wish + ".level", {{"axis", int64_t{0}}});
  }
  std::string q = u;
  if (how.inverse.defined())
    q = node("Mul", {q, constant_like(wish + ".inverse", how.inverse, wide)}, ".steps");
  if (how.rounding == Rounding::HalfEven) {
    q = node("Round", {q}, ".round");
  } else {
    const std::string floor = node("Floor", {q}, ".floor");
    if (how.rounding == Rounding::HalfUp) {
      const std::string rest = node("Sub", {q, floor}, ".rest");
      const std::string up = node("GreaterOrEqual", {rest, number(0.5)}, ".up");
      const std::string one =
          writer_.node("Cast", {up}, wish + ".one", {{"to", int64_t{wide ? 11 : 1}}});
      q = node("Add", {floor, one}, ".half_up");
    } else {
      q = floor;
    }
  }
  const bool elements = how.lows.defined();
  const std::string low = elements ? constant_like(wish + ".lows", how.lows, wide)
                                   : number(static_cast<double>(how.low));
  const std::string high = elements ? constant_like(wish + ".highs", how.highs, wide)
                                    : number(static_cast<double>(how.high));
  if (how.overflow == Overflow::Wrap) {
    const Tensor lows = elements ? real_of(how.lows)
                                 : torch::full({1}, static_cast<double>(how.low), torch::kDouble);
    const Tensor highs = elements ? real_of(how.highs)
                                  : torch::full({1}, static_cast<double>(how.high), torch::kDouble);
    const std::string period = constant_like(wish + ".period", highs - lows + 1, wide);
    const std::string above = node("Sub", {q, low}, ".above");
    const std::string turns = node("Floor", {node("Div", {above, period}, ".over")}, ".turns");
    q = node("Sub", {q, node("Mul", {turns, period}, ".wrapped")}, ".in_range");
  }
  q = node("Min", {node("Max", {q, low}, ".least"), high}, ".most");
  if (how.step != 1) q = node("Mul", {q, number(how.step)}, ".doubled");
  if (how.offset != 0) q = node("Sub", {q, number(static_cast<double>(how.offset))}, ".offset");
  if (wide) q = writer_.node("Cast", {q}, wish + ".float", {to_float});
  if (how.unit.defined())
    q = node("Mul", {q, writer_.constant(wish + ".unit", how.unit.to(torch::kFloat))}, ".units");
  return q;
}

void Lowering::lower_units(const Step& step) {
  const int v = step.output;
  const Finish& finish = step.finish;
  const std::string name = name_of_value(v);
  std::string u;
  Tensor a = finish.a;
  const bool on_grid = value(step.inputs[0]).grid.has_value();
  if (std::holds_alternative<Product>(step.work)) {
    u = product_units(step);
  } else if (auto* pool = std::get_if<SumPool>(&step.work)) {
    const int in = step.inputs[0];
    u = sum_pool(step, on_grid ? integers(in) : real(in));
    a = a * pool_count(*pool, value(in));
  } else if (std::holds_alternative<Identity>(step.work)) {
    u = on_grid ? integers(step.inputs[0]) : real(step.inputs[0]);
  } else if (std::holds_alternative<EluWork>(step.work)) {
    u = writer_.node("Elu", {real(step.inputs[0])}, name + ".elu");
  } else {
    u = graph_sum(step, true);
  }
  const bool wide = finish.wide;
  const auto widened = [&](const std::string& x, const std::string& wish) {
    return wide ? writer_.node("Cast", {x}, wish, {{"to", int64_t{11}}}) : x;
  };
  const auto term = [&](const std::string& x, const Tensor& by, const std::string& wish) {
    if (all_equal(by, 1)) return x;
    return writer_.node("Mul", {x, constant_like(wish, by_channel(by, v), wide)}, wish + ".times");
  };
  u = term(widened(u, name + ".wide"), a, name + ".a");
  if (!all_equal(finish.b, 0))
    u = writer_.node("Add", {u, constant_like(name + ".b", by_channel(finish.b, v), wide)},
                     name + ".shifted");
  for (const Addend& addend : finish.addends) {
    const std::string x = value(addend.value).grid ? integers(addend.value) : real(addend.value);
    u = writer_.node("Add", {u, term(widened(x, name + ".other"), addend.a, name + ".a2")},
                     name + ".sum");
  }
  const auto held = [&](const char* op, float bound) {
    if (std::isinf(bound)) return;
    const Tensor at = torch::full({}, bound, torch::kFloat);
    u = writer_.node(op, {u, constant_like("bound", at, wide)}, name + ".held");
  };
  held("Max", finish.least);
  held("Min", finish.most);
  const auto narrowed = [&](const std::string& x) {
    return wide ? writer_.node("Cast", {x}, name + ".narrow", {{"to", int64_t{1}}}) : x;
  };
  if (!finish.quantization) {
    carried(v).real = narrowed(u);
    return;
  }
  const Quantization& how = *finish.quantization;
  if (has_codes(v) && is_plain(how) && !wide) {
    quantize_to_codes(v, u, 1, how.low, how.high);
    return;
  }
  const std::string out = quantized(u, how, wide, name);
  if (!value(v).grid) {
    carried(v).real = out;
  } else if (has_codes(v)) {
    quantize_to_codes(v, out, 1, value(v).grid->low, value(v).grid->high);
  } else {
    carried(v).integers = out;
  }
}

}  // namespace quantbench
