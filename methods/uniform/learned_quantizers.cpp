#include "methods/uniform/learned_quantizers.h"

#include <cmath>

namespace quantbench {
namespace {

// Q_P: the largest integer of a grid.
double largest_integer(const UniformFormat& grid) {
  const Tensor largest = grid.step * highest_code(grid) - grid.zero_point;
  return largest.max().item<double>();
}

}  // namespace

LsqQuantizer::LsqQuantizer(const Tensor& scale, const UniformFormat& grid, bool is_weight,
                           bool absorbs_relu)
    : grid_(grid),
      is_weight_(is_weight),
      absorbs_relu_(absorbs_relu),
      largest_(largest_integer(grid)),
      scale_(register_parameter("scale", scale.clone())) {}

UniformFormat LsqQuantizer::grid(BitWidth bits, bool is_signed, Granularity granularity,
                                 int64_t scales) {
  UniformFormat out;
  const bool binary = is_signed && bits.bits() == 1;
  out.granularity = granularity;
  out.is_signed = is_signed && !binary;
  out.step = binary ? 2 : 1;
  out.scale = torch::ones({scales});
  out.zero_point = torch::full({scales}, binary ? 1 : 0, torch::kInt32);
  out.bits = torch::full({1}, bits.bits(), torch::kUInt8);
  return out;
}

Tensor LsqQuantizer::initial_scale(const Tensor& mean_magnitude, const UniformFormat& grid) {
  const Tensor start =
      grid.step == 2 ? mean_magnitude : 2 * mean_magnitude / std::sqrt(largest_integer(grid));
  // An all-zero tensor says nothing about its step.
  return torch::where(start > 0, start, torch::ones_like(start));
}

Tensor LsqQuantizer::forward(const Tensor& x, const TapContext& context) {
  StraightThrough rule;
  rule.relu = context.relu;
  rule.relu_max = context.relu_max;
  // Section 2.2: N is the number of weights that share the step, or of one sample's features.
  const int64_t shared =
      is_weight_ ? x.numel() / scale_.numel() : x.numel() / std::max<int64_t>(1, x.size(0));
  const double gradient_scale =
      1 / std::sqrt(static_cast<double>(std::max<int64_t>(1, shared)) * largest_);
  return learned_step_quantize(x, scale_, grid_, gradient_scale, rule);
}

BitWidth LsqQuantizer::bit_width() const { return BitWidth(grid_.bits.max().item<int64_t>()); }

PactQuantizer::PactQuantizer(double alpha, BitWidth bits)
    : bits_(bits), alpha_(register_parameter("alpha", torch::full({1}, alpha, torch::kFloat32))) {}

Tensor PactQuantizer::forward(const Tensor& x, const TapContext& context) {
  return pact_quantize(x, alpha_, bits_, context.relu_max);
}

Tensor DorefaWeightQuantizer::forward(const Tensor& x, const TapContext&) {
  return fake_quantize(dorefa_normalise(x), dorefa_format(bits_));
}

Encoding DorefaWeightQuantizer::encode(const Tensor& weight) const {
  const torch::NoGradGuard no_grad;
  const UniformFormat format = dorefa_format(bits_);
  return UniformEncoding{format, quantize(format, dorefa_normalise(weight))};
}

}  // namespace quantbench
