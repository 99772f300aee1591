// Steps in the plan's own arithmetic: integers in floats, and every rounding written out.
#include "runtime/onnx/lowering.h"
#include "runtime/onnx/lowering_tensors.h"

namespace quantbench {

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
