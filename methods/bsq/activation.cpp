#include "methods/bsq/activation.h"

#include <algorithm>

#include "methods/common/fake_quantize.h"
#include "methods/common/range.h"

namespace quantbench::bsq {
namespace {

constexpr double kClip = 6, kFirstLearnedClip = 10;
constexpr int kLeastFixedBits = 4;
constexpr double kMomentum = 0.9;  // share of the old average kept by each training step

UniformFormat unsigned_format(double largest, BitWidth bits) {
  UniformFormat out;
  const double levels = static_cast<double>(bits.levels() - 1);
  out.scale = torch::full({1}, std::max(largest, 1e-6) / levels, torch::kFloat32);
  out.zero_point = torch::zeros({1}, torch::kInt32);
  out.bits = torch::full({1}, bits.bits(), torch::kUInt8);
  return out;
}

}  // namespace

ClippedQuantizer::ClippedQuantizer(BitWidth bits, ActivationRange range)
    : bits_(bits), range_(range) {
  if (bits.bits() < kLeastFixedBits)
    limit_ = register_parameter("limit", torch::full({1}, kFirstLearnedClip));
  largest_ = register_buffer("largest", torch::zeros({1}));
}

double ClippedQuantizer::limit() const { return limit_.defined() ? limit_.item<double>() : kClip; }

Format ClippedQuantizer::format() const {
  const double seen = largest_.item<double>();
  const bool fixed = range_ == ActivationRange::Fixed || seen <= 0;
  return unsigned_format(fixed ? limit() : std::min(seen, limit()), bits_);
}

Tensor ClippedQuantizer::quantize_batch(const Tensor& x) {
  if (range_ == ActivationRange::Fixed && limit_.defined()) return pact_quantize(x, limit_, bits_);
  StraightThrough rule;
  rule.relu = true;
  rule.relu_max = kClip;
  Tensor clipped = x;
  if (limit_.defined()) {
    clipped = torch::where(x >= limit_, limit_, torch::relu(x));
    rule = {};
  }
  if (range_ == ActivationRange::Fixed)
    return fake_quantize(clipped, unsigned_format(kClip, bits_), rule);
  const double seen = min_max(clipped, Granularity::Tensor).high.item<double>();
  const double largest = std::min(seen, limit());
  {
    const torch::NoGradGuard no_grad;
    const double before = largest_.item<double>();
    largest_.fill_(before > 0 ? kMomentum * before + (1 - kMomentum) * largest : largest);
  }
  return fake_quantize(clipped, unsigned_format(largest, bits_), rule);
}

Tensor ClippedQuantizer::forward(const Tensor& x, const TapContext&) {
  if (is_training() && x.numel() > 0) return quantize_batch(x);
  return quantbench::apply(format(), x.to(torch::kFloat32)).to(x.scalar_type());
}

}  // namespace quantbench::bsq
