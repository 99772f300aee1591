#include <set>

#include "runtime/plan.h"

namespace quantbench {

PlanCost cost(const Plan& plan) {
  const auto value = [&](int v) -> const PlanValue& { return plan.values[static_cast<size_t>(v)]; };
  std::vector<int> origin(plan.values.size());
  for (size_t v = 0; v < origin.size(); ++v) origin[v] = static_cast<int>(v);
  for (const Step& step : plan.steps)
    if (std::holds_alternative<Move>(step.work) && step.inputs.size() == 1)
      origin[static_cast<size_t>(step.output)] = origin[static_cast<size_t>(step.inputs[0])];

  PlanCost out;
  double bits = 0, elements = 0;
  std::set<int> counted;
  for (const Step& step : plan.steps) {
    auto* product = std::get_if<Product>(&step.work);
    if (!product) continue;
    const int operand = origin[static_cast<size_t>(step.inputs[0])];
    int64_t weights = 0;
    std::visit(
        [&](const auto& w) {
          using W = std::decay_t<decltype(w)>;
          if constexpr (std::is_same_v<W, MultiBitWeights>) {
            weights = 1;
            for (int64_t size : w.encoding.shape) weights *= size;
          } else if constexpr (std::is_same_v<W, IntegerWeights>) {
            weights = w.integers.numel();
          } else {
            weights = w.values.numel();
          }
          if (!std::is_same_v<W, FloatWeights>) out.integer_macs += product->macs;
        },
        product->weights);
    out.macs += product->macs;
    out.weights += weights;
    out.code_bits += product->code_bits;
    out.bops += static_cast<double>(product->macs) * value(operand).bits *
                static_cast<double>(product->code_bits) / static_cast<double>(weights);
    if (!counted.insert(operand).second) continue;
    double size = 1;
    for (int64_t s : value(operand).shape) size *= static_cast<double>(s);
    bits += value(operand).bits * size;
    elements += size;
  }
  if (elements > 0) out.activation_bits = bits / elements;
  return out;
}

double integer_share(const Plan& plan) {
  const PlanCost of = cost(plan);
  return of.macs > 0 ? static_cast<double>(of.integer_macs) / static_cast<double>(of.macs) : 0;
}

}  // namespace quantbench
