#include "runtime/onnx/lowering.h"

#include <algorithm>

#include "runtime/onnx/lowering_tensors.h"

namespace quantbench {
namespace {

// Graph work scatters with a reduction.
constexpr int64_t kScatterOpset = 16;

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

}  // namespace quantbench
