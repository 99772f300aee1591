#include "bench/onnx_comparison.h"

#include <algorithm>

namespace quantbench {
namespace {

std::optional<double> step_of(const Plan& plan) {
  const PlanValue& logits = plan.values[static_cast<size_t>(plan.output)];
  if (logits.grid) return logits.grid->scale;
  for (const Step& step : plan.steps) {
    if (step.output != plan.output) continue;
    const auto* product = std::get_if<Product>(&step.work);
    const auto* weights = product ? std::get_if<IntegerWeights>(&product->weights) : nullptr;
    if (!weights) return std::nullopt;
    const Tensor rows = weights->integers.flatten(1).abs().amax(1).to(torch::kFloat);
    return (rows * step.finish.a.abs()).max().item<double>();
  }
  return std::nullopt;
}

}  // namespace

OnnxComparison::OnnxComparison(const Plan& plan) : step_(step_of(plan)) {}

void OnnxComparison::add(const Tensor& onnx, const Tensor& package, const Tensor& target) {
  samples_ += target.size(0);
  if (target.size(0) == 0) return;
  const Tensor answer = package.argmax(1);
  correct_ += answer.eq(target).sum().item<int64_t>();
  equal_ += onnx.argmax(1).eq(answer).sum().item<int64_t>();
  largest_ = std::max(largest_, (onnx - package).abs().max().item<double>());
}

}  // namespace quantbench
