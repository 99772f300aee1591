#include "methods/hgq/quantizers.h"

#include <limits>

#include "methods/hgq/widths.h"

namespace quantbench::hgq {
namespace {

constexpr double kMostBits = 16;                  // of a code
constexpr double kMostMagnitude = kMostBits - 2;  // of a weight: sign, and room to round up
constexpr float kInfinity = std::numeric_limits<float>::infinity();

UniformFormat format_of(const Tensor& fraction, const Tensor& bits, bool is_signed) {
  UniformFormat out;
  const bool one = fraction.numel() == 1;
  const auto shaped = [&](const Tensor& t) { return one ? t.reshape({1}) : t; };
  out.granularity = one ? Granularity::Tensor : Granularity::Element;
  // What is pruned has no scale; a fixed one keeps packages small.
  out.scale = shaped(torch::where(bits > 0, torch::exp2(-fraction), torch::ones_like(fraction)));
  out.zero_point = torch::zeros_like(out.scale, torch::kInt32);
  out.bits = shaped(bits.to(torch::kUInt8));
  out.is_signed = is_signed;
  out.rounding = Rounding::HalfUp;
  return out;
}

// `values` lie on a grid of powers of two; each becomes its odd mantissa, or they share a grid.
Encoding encode_values(const Tensor& values, const Tensor& fraction) {
  const bool own = fraction.sizes() == values.sizes() && values.numel() > 1;
  const Tensor exponent = own ? lowest_exponent(values) : (-fraction).expand_as(values);
  const Tensor codes = values * torch::exp2(-exponent);
  const Tensor width = estimated_weight_bits(codes, torch::zeros_like(codes));
  const Tensor bits = torch::where(width > 0, width + 1, width);
  const Tensor shared = own ? bits : reduce_to(bits, fraction.sizes(), Reduction::Largest);
  // A group of one width for each channel would need its own granularity; elements do as well.
  const bool whole = fraction.numel() == 1;
  return UniformEncoding{format_of(whole ? fraction : -exponent,
                                   whole ? shared : shared.expand_as(values).contiguous(), true),
                         codes.to(torch::kInt32)};
}

// The largest F with which numbers of this size fit.
Tensor most_fraction(const Tensor& largest) {
  return kMostMagnitude - std::get<1>(torch::frexp(largest)).to(torch::kFloat32);
}

}  // namespace

Tensor WeightQuantizer::initial_fraction(const Tensor& weight, torch::IntArrayRef shape,
                                         double init_bits) {
  const Tensor size = reduce_to(weight.detach().abs(), shape, Reduction::Largest);
  const Tensor f = init_bits - torch::log2(size);
  // A weight that is zero says nothing about its size: it starts with the largest of the others.
  const Tensor known = torch::where(size > 0, f, torch::full_like(f, -kInfinity));
  const Tensor most =
      torch::where(torch::isinf(known.max()), torch::full({}, init_bits), known.max());
  return torch::where(size > 0, f, most).clamp(-kMostFractionBits, kMostFractionBits);
}

WeightQuantizer::WeightQuantizer(const Tensor& f) : f_(register_parameter("f", f.clone())) {}

Tensor WeightQuantizer::forward(const Tensor& x, const TapContext&) {
  Tensor value = fixed_point(x, f_).value;
  quantized_ = value.detach();
  return value;
}

Format WeightQuantizer::format() const {
  const Tensor fraction = fraction_bits(f_);
  return format_of(fraction, torch::full_like(fraction, kMostBits), true);
}

Encoding WeightQuantizer::encode(const Tensor& weight) const {
  const torch::NoGradGuard no_grad;
  return encode_values(fixed_point(weight, f_).value, fraction_bits(f_));
}

Tensor WeightQuantizer::estimated_bits(double share) const {
  const Tensor bits = estimated_weight_bits(quantized_, fraction_bits(f_));
  if (f_.sizes() == bits.sizes()) return with_gradient(bits, f_, share);
  const Tensor widest = reduce_to(bits, f_.sizes(), Reduction::Largest);
  return with_gradient(widest.expand_as(bits), f_, share);
}

void WeightQuantizer::limit(const Tensor& weight) {
  const torch::NoGradGuard no_grad;
  const Tensor largest = reduce_to(weight.detach().abs(), f_.sizes(), Reduction::Largest);
  f_.copy_(torch::minimum(f_, most_fraction(largest)));
}

ActivationQuantizer::ActivationQuantizer(const Tensor& f, const ActivationRule& rule)
    : rule_(rule),
      f_(register_parameter("f", f.clone())),
      low_(register_buffer("low", torch::full_like(f, kInfinity))),
      high_(register_buffer("high", torch::full_like(f, -kInfinity))) {}

Tensor ActivationQuantizer::forward(const Tensor& x, const TapContext& context) {
  FixedPointRule rule;
  rule.rounding = rule_.rounding;
  rule.relu = context.relu;
  rule.relu_max = context.relu_max;
  if (is_training() || calibrating_) {
    rule.observe = x.numel() > 0;
    const FixedPointValues seen = fixed_point(x, f_, rule);
    if (rule.observe) {
      const torch::NoGradGuard no_grad;
      torch::minimum_out(low_, low_, seen.low);
      torch::maximum_out(high_, high_, seen.high);
    }
    return seen.value;
  }
  if (!calibrated()) return fixed_point(x, f_, rule).value;
  const Tensor positive = !context.relu          ? x
                          : context.relu_max > 0 ? x.clamp(0, context.relu_max)
                                                 : x.clamp_min(0);
  return quantbench::apply(format(), positive);
}

void ActivationQuantizer::forget_range() {
  const torch::NoGradGuard no_grad;
  low_.fill_(kInfinity);
  high_.fill_(-kInfinity);
}

bool ActivationQuantizer::calibrated() const { return (low_ <= high_).all().item<bool>(); }

// The range with its margin, and F, lowered where a code would not fit.
ActivationQuantizer::Grid ActivationQuantizer::grid() const {
  const torch::NoGradGuard no_grad;
  require(calibrated(),
          "An activation of method hgq has no range yet: it must be trained or calibrated first.");
  Grid out{low_, high_, fraction_bits(f_)};
  if (rule_.cover != 1) {
    const Tensor middle = (low_ + high_) / 2, half = (high_ - low_) / 2 * rule_.cover;
    // What was never negative stays unsigned.
    out.low = torch::where(low_ < 0, middle - half, (middle - half).clamp_min(0));
    out.high = middle + half;
  }
  const Tensor over = exact_type(out.low, out.high, out.fraction).width - kMostBits;
  out.fraction = out.fraction - over.clamp_min(0);
  return out;
}

Format ActivationQuantizer::format() const {
  const Grid on = grid();
  const FixedPointType fixed = exact_type(on.low, on.high, on.fraction);
  const Tensor bits = fixed.width.clamp(0, kMostBits);
  const Tensor is_signed = (fixed.sign > 0) & (bits > 0), alive = bits > 0;
  const bool all = torch::equal(is_signed, alive) && alive.any().item<bool>();
  UniformFormat out = format_of(on.fraction, bits, all);
  out.rounding = rule_.rounding;
  out.overflow = rule_.overflow;
  // Signed and unsigned side by side: codes are unsigned, and a signed element's zero is the
  // middle.
  if (!all)
    out.zero_point = torch::where(is_signed, torch::exp2(bits - 1), torch::zeros_like(bits))
                         .to(torch::kInt32)
                         .reshape(out.scale.sizes());
  return out;
}

Tensor ActivationQuantizer::estimated_bits(double share) const {
  return with_gradient(estimated_range_bits(low_, high_, fraction_bits(f_)), f_, share);
}

Tensor ActivationQuantizer::exact_bits() const {
  const Grid on = grid();
  return exact_type(on.low, on.high, on.fraction).width.clamp(0, kMostBits);
}

bool ActivationQuantizer::limit() {
  const torch::NoGradGuard no_grad;
  const Tensor fraction = grid().fraction;
  if (torch::equal(fraction, fraction_bits(f_))) return false;
  f_.copy_(torch::minimum(f_, fraction));
  return true;
}

Tensor BiasQuantizer::fraction(const Tensor& bias) const {
  const Tensor& next = next_.front()->fraction();
  const Tensor finest = next.numel() == 1 ? next.reshape({1}).expand_as(bias)
                        : next.dim() == 1 ? next
                                          : next.flatten(1).amax(1);
  return torch::minimum(finest, most_fraction(bias.detach()));
}

Tensor BiasQuantizer::forward(const Tensor& x, const TapContext&) {
  return fixed_point(x, fraction(x)).value;
}

Format BiasQuantizer::format() const {
  const Tensor fraction = fraction_bits(next_.front()->fraction());
  return format_of(fraction, torch::full_like(fraction, kMostBits), true);
}

Encoding BiasQuantizer::encode(const Tensor& bias) const {
  const torch::NoGradGuard no_grad;
  const Tensor f = fraction(bias);
  return encode_values(fixed_point(bias, f).value, fraction_bits(f));
}

}  // namespace quantbench::hgq
