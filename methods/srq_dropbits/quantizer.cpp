#include "methods/srq_dropbits/quantizer.h"

#include <cmath>

#include "methods/common/fake_quantize.h"
#include "methods/common/soft_staircase.h"
#include "methods/srq_dropbits/categorical.h"

namespace quantbench::srq {
namespace {

constexpr int kCandidates = 200;  // steps tried from the largest value down

UniformFormat grid_format(BitWidth bits, bool is_signed, bool narrow, const Tensor& alpha) {
  UniformFormat out;
  out.is_signed = is_signed;
  out.narrow = narrow;
  out.scale = alpha.detach().to(torch::kFloat32).reshape({1});
  out.zero_point = torch::zeros({1}, torch::kInt32).to(alpha.device());
  out.bits = torch::full({1}, bits.bits(), torch::kUInt8).to(alpha.device());
  return out;
}

}  // namespace

SrqQuantizer::SrqQuantizer(double alpha, double sigma, BitWidth bits, bool is_signed,
                           bool absorbs_relu, const QuantizerRule& rule,
                           std::shared_ptr<DropMasks> masks)
    : bits_(bits),
      signed_(is_signed),
      absorbs_relu_(absorbs_relu),
      low_(is_signed ? -bits.levels() / 2 : 0),
      high_(low_ + bits.levels() - 1),
      rule_(rule),
      masks_(std::move(masks)),
      log_alpha_(register_parameter("log_alpha", torch::full({1}, std::log(alpha)))),
      log_sigma_(register_parameter("log_sigma", torch::full({1}, std::log(alpha * sigma)))),
      settled_(register_buffer("settled", torch::zeros({1}))) {
  if (masks_) register_module("masks", masks_);
}

double SrqQuantizer::least_squares_step(const Tensor& sample, BitWidth bits, bool is_signed) {
  const torch::NoGradGuard no_grad;
  const Tensor x = sample.to(torch::kFloat32).contiguous();
  const double low = is_signed ? -static_cast<double>(bits.levels() / 2) : 0;
  const double high = low + static_cast<double>(bits.levels()) - 1;
  const double largest = x.numel() > 0 ? x.abs().max().item<double>() : 0;
  // An all-zero tensor says nothing about its step.
  if (largest <= 0) return 1;
  const double widest = largest / std::max(1.0, high);
  double best = widest, least = INFINITY;
  for (int i = kCandidates; i > 0; --i) {
    const double step = widest * i / kCandidates;
    const Tensor y = (x * (1 / step)).round().clamp(low, high) * step;
    const double error = (y - x).square().sum(torch::kFloat64).item<double>();
    if (error < least) {
      least = error;
      best = step;
    }
  }
  return best;
}

void SrqQuantizer::draw(const RandomStream& stream) { stream_ = stream; }

void SrqQuantizer::limit() {
  const torch::NoGradGuard no_grad;
  const Tensor low = log_alpha_ + std::log(rule_.least_sigma);
  const Tensor high = log_alpha_ + std::log(rule_.most_sigma);
  log_sigma_.copy_(torch::minimum(torch::maximum(log_sigma_, low), high));
}

double SrqQuantizer::alpha() const { return log_alpha_.detach().exp().item<double>(); }

double SrqQuantizer::sigma_in_steps() const {
  return (log_sigma_ - log_alpha_).detach().exp().item<double>();
}

Tensor SrqQuantizer::point_masks() const {
  if (!masks_) return {};
  return settled_.item<float>() > 0 ? masks_->settled() : masks_->draw(stream_.child(0));
}

Tensor SrqQuantizer::forward(const Tensor& x, const TapContext& context) {
  if (!is_training()) {
    if (masks_ && masks_->is_learned()) {
      const auto format = std::get<UniformFormat>(this->format());
      return dequantize(format, kept_integers(x.to(torch::kFloat32))).to(x.scalar_type());
    }
    StraightThrough rule;
    rule.relu = context.relu;
    rule.relu_max = context.relu_max;
    return fake_quantize(x, grid_format(bits_, signed_, false, log_alpha_.exp()), rule);
  }
  const Tensor alpha = log_alpha_.exp(), sigma = log_sigma_.exp();
  const auto rectifier = rectifier_of(context);
  const Tensor masks = point_masks();
  const bool plain = !masks.defined() || (!masks.requires_grad() && masks.min().item<float>() == 1);
  if (rule_.estimator == QuantizerRule::Estimator::Srq && !rule_.only_chosen && plain)
    return semi_relaxed_quantize(x, alpha, sigma, low_, high_, rectifier);

  CategoricalRule rule;
  rule.low = low_;
  rule.high = high_;
  rule.only_chosen = rule_.only_chosen;
  if (rule_.estimator != QuantizerRule::Estimator::Srq) {
    rule.open = false;
    rule.local = rule_.local;
    rule.temperature = rule_.temperature;
    rule.sampled = true;
    rule.hard = rule_.estimator == QuantizerRule::Estimator::RqSt;
    rule.noise = stream_.child(1);
  }
  return categorical_quantize(x.to(torch::kFloat32), alpha, sigma, plain ? Tensor() : masks, rule,
                              rectifier)
      .to(x.scalar_type());
}

BitWidth SrqQuantizer::surviving_bits() const {
  if (!masks_ || !masks_->is_learned()) return bits_;
  const Tensor kept = torch::nonzero(masks_->settled()).flatten() + low_;
  const int64_t least = kept.min().item<int64_t>(), most = kept.max().item<int64_t>();
  int bits = 2;
  while (bits < bits_.bits() &&
         (least < -(int64_t{1} << (bits - 1)) || most >= int64_t{1} << (bits - 1)))
    ++bits;
  return BitWidth(bits);
}

Format SrqQuantizer::format() const {
  const BitWidth bits = surviving_bits();
  // The lowest code of what is left: {-1, 0, 1} leaves it out.
  bool narrow = false;
  if (masks_ && masks_->is_learned()) {
    const Tensor masks = masks_->settled();
    const int64_t lowest = -bits.levels() / 2 - low_;
    narrow = bits.bits() > 1 && masks[lowest].item<float>() == 0;
  }
  return grid_format(bits, signed_, narrow, log_alpha_.exp());
}

Tensor SrqQuantizer::kept_integers(const Tensor& x) const {
  const torch::NoGradGuard no_grad;
  const Tensor kept = (torch::nonzero(masks_->settled()).flatten() + low_).to(torch::kFloat32);
  const Tensor edges = ((kept.slice(0, 1) + kept.slice(0, 0, -1)) / 2).to(x.device());
  const Tensor position = x.detach().to(torch::kFloat32) * log_alpha_.exp().reciprocal();
  const Tensor at = torch::bucketize(position.contiguous(), edges);
  return kept.to(x.device()).index_select(0, at.flatten()).view(x.sizes()).to(torch::kInt32);
}

Encoding SrqQuantizer::encode(const Tensor& weight) const {
  const auto format = std::get<UniformFormat>(this->format());
  const bool learned = masks_ && masks_->is_learned();
  return UniformEncoding{format, learned ? kept_integers(weight) : quantize(format, weight)};
}

}  // namespace quantbench::srq
