#include "methods/hgq/normalised.h"

#include <string_view>

#include "models/evaluate.h"

namespace quantbench::hgq {
namespace {

constexpr double kEpsilon = 1e-3, kMomentum = 0.99;  // Keras' defaults

// `factor`, one number a row, times the rows of `weight`.
Tensor rows_times(const Tensor& weight, const Tensor& factor) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = -1;
  return weight * factor.view(shape);
}

}  // namespace

NormalisedWeight::NormalisedWeight(const Tensor& f, const Node& node, int64_t channels)
    : WeightQuantizer(f),
      node_(node),
      gain_(register_parameter("gain", torch::ones({channels}))),
      running_mean_(register_buffer("running_mean", torch::zeros({channels}))),
      running_variance_(register_buffer("running_var", torch::ones({channels}))) {}

Tensor NormalisedWeight::factor(const Tensor& variance) const {
  return gain_ * torch::rsqrt(variance + kEpsilon);
}

NormalisedWeight::Statistics NormalisedWeight::of_batch(const Tensor& weight,
                                                        const TapContext& context) {
  Evaluation how;
  how.parameter = [&](std::string_view name) { return name == "weight" ? weight : Tensor(); };
  const Tensor sums = evaluate(node_, {*context.operand}, context.batch, how).to(torch::kFloat32);
  const std::vector<int64_t> all_but_channels =
      sums.dim() == 4 ? std::vector<int64_t>{0, 2, 3} : std::vector<int64_t>{0};
  const auto [variance, mean] = torch::var_mean(sums, all_but_channels, /*unbiased=*/false);
  {
    const torch::NoGradGuard no_grad;
    const double share = start_bits_ ? 1 : 1 - kMomentum;
    running_mean_.lerp_(mean, share);
    running_variance_.lerp_(variance, share);
  }
  return {mean, factor(variance)};
}

Tensor NormalisedWeight::forward(const Tensor& x, const TapContext& context) {
  const bool measures = is_training() && context.operand;
  now_ = measures ? of_batch(x, context) : running();
  const Tensor folded = rows_times(x, now_.factor);
  if (start_bits_ && measures) {
    const torch::NoGradGuard no_grad;
    fraction().copy_(initial_fraction(folded, fraction().sizes(), *start_bits_));
    start_bits_.reset();
  }
  return WeightQuantizer::forward(folded, context);
}

Encoding NormalisedWeight::encode(const Tensor& weight) const {
  const torch::NoGradGuard no_grad;
  return WeightQuantizer::encode(rows_times(weight, running().factor));
}

void NormalisedWeight::limit(const Tensor& weight) {
  const torch::NoGradGuard no_grad;
  WeightQuantizer::limit(rows_times(weight, running().factor));
}

Tensor NormalisedBias::forward(const Tensor& x, const TapContext& context) {
  return BiasQuantizer::forward(weight_.front()->fold(x), context);
}

Encoding NormalisedBias::encode(const Tensor& bias) const {
  const torch::NoGradGuard no_grad;
  return BiasQuantizer::encode(weight_.front()->fold_running(bias));
}

}  // namespace quantbench::hgq
