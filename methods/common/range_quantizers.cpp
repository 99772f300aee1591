#include "methods/common/range_quantizers.h"

#include <algorithm>

#include "methods/common/range_tracker.h"

namespace quantbench {

RangeWeightQuantizer::RangeWeightQuantizer(const Range& range, BitWidth bits, Scheme scheme,
                                           Follow follow)
    : bits_(bits),
      scheme_(scheme),
      follow_(follow),
      granularity_(range.granularity),
      low_(register_buffer("low", range.low.clone())),
      high_(register_buffer("high", range.high.clone())) {}

Range RangeWeightQuantizer::range_of(const Tensor& weight) const {
  if (follow_ == Follow::Fixed) return {granularity_, low_, high_};
  const bool binary = bits_.bits() == 1 && scheme_ == Scheme::Symmetric;
  return binary ? mean_magnitude(weight, granularity_) : min_max(weight, granularity_);
}

Tensor RangeWeightQuantizer::forward(const Tensor& x, const TapContext&) {
  const Range range = range_of(x);
  if (follow_ == Follow::Weight) {
    const torch::NoGradGuard no_grad;
    low_.copy_(range.low);
    high_.copy_(range.high);
  }
  StraightThrough rule;
  // Weights beyond twice the mean are common; without a gradient they would never come back.
  rule.pass_clipped = bits_.bits() == 1;
  return fake_quantize(x, uniform_format(range, bits_, scheme_), rule);
}

Format RangeWeightQuantizer::format() const {
  return uniform_format({granularity_, low_, high_}, bits_, scheme_);
}

Encoding RangeWeightQuantizer::encode(const Tensor& weight) const {
  const UniformFormat format = uniform_format(range_of(weight), bits_, scheme_);
  return UniformEncoding{format, quantize(format, weight)};
}

RangeActivationQuantizer::RangeActivationQuantizer(const Range& range, BitWidth bits,
                                                   bool absorbs_relu, Follow follow)
    : bits_(bits),
      absorbs_relu_(absorbs_relu),
      follow_(follow),
      low_(register_buffer("low", range.low.clone())),
      high_(register_buffer("high", range.high.clone())) {}

Tensor RangeActivationQuantizer::forward(const Tensor& x, const TapContext& context) {
  StraightThrough rule;
  rule.relu = context.relu;
  rule.relu_max = context.relu_max;
  const UniformFormat format =
      uniform_format({Granularity::Tensor, low_, high_}, bits_, Scheme::Affine);
  if (!is_training() || follow_ == Follow::Fixed) return fake_quantize(x, format, rule);

  ObservedQuantization seen = fake_quantize_observed(x, format, rule);
  // Without elements low is above high; what is clamped to zero would look like values.
  if (seen.low <= seen.high)
    track_range({RangeTracking::Rule::MovingAverage, kMomentum},
                std::min(static_cast<float>(seen.low), 0.0f),
                std::max(static_cast<float>(seen.high), 0.0f), low_, high_);
  return std::move(seen.value);
}

Format RangeActivationQuantizer::format() const {
  return uniform_format({Granularity::Tensor, low_, high_}, bits_, Scheme::Affine);
}

}  // namespace quantbench
