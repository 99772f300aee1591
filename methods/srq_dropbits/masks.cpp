#include "methods/srq_dropbits/masks.h"

#include <cmath>
#include <cstdlib>

#include "base/error.h"

namespace quantbench::srq {
namespace {

// Bits that it takes to have n in a signed grid, from 2 on; 1: always there.
int64_t level_of(int64_t n) {
  if (std::abs(n) <= 1) return 1;
  int64_t bits = 2;
  while (n < -(int64_t{1} << (bits - 1)) || n >= int64_t{1} << (bits - 1)) ++bits;
  return bits;
}

}  // namespace

Tensor HardConcrete::sample(const Tensor& logits, const Tensor& uniform) {
  const Tensor h = torch::sigmoid((torch::log(uniform) - torch::log1p(-uniform) + logits) / tau);
  return (h * (zeta - gamma) + gamma).clamp(0, 1);
}

Tensor HardConcrete::deterministic(const Tensor& logits) {
  return (torch::sigmoid(logits) * (zeta - gamma) + gamma).clamp(0, 1);
}

Tensor HardConcrete::kept_probability(const Tensor& logits) {
  return torch::sigmoid(logits - tau * std::log(-gamma / zeta));
}

DropMasks::DropMasks(MaskGroups groups, int64_t low, int64_t high, double keep)
    : groups_(groups), keep_(keep) {
  require(low <= 0 && high >= 0 && low < high, "A grid for masks goes from below 0 to above.");
  std::vector<int64_t> index;
  const int64_t largest = std::max(-low, high);
  for (int64_t n = low; n <= high; ++n) switch (groups) {
      case MaskGroups::Point:
        index.push_back(n < 0 ? n - low : n - low - 1);
        break;
      case MaskGroups::Pair:
        index.push_back(std::abs(n) - 1);
        break;
      case MaskGroups::Level:
        index.push_back(level_of(n) - 2);
        break;
    }
  count_ = groups == MaskGroups::Point  ? high - low
           : groups == MaskGroups::Pair ? largest
                                        : std::max(level_of(low), level_of(high)) - 1;
  for (int64_t n = low; n <= high; ++n) {
    const bool always = n == 0 || (groups == MaskGroups::Level && level_of(n) == 1);
    if (always) index[static_cast<size_t>(n - low)] = count_;
  }
  index_ = torch::tensor(index, torch::kInt64);
}

std::shared_ptr<DropMasks> DropMasks::learned(MaskGroups groups, int64_t low, int64_t high,
                                              double logit) {
  auto out = std::make_shared<DropMasks>(groups, low, high, 1);
  out->logits_ = out->register_parameter("logits", torch::full({out->count_}, logit));
  return out;
}

Tensor DropMasks::spread(const Tensor& masks) const {
  const Tensor nested = groups_ == MaskGroups::Level ? torch::cumprod(masks, 0) : masks;
  return torch::cat({nested, torch::ones({1}, masks.options())})
      .index_select(0, index_.to(masks.device()));
}

Tensor DropMasks::draw(const RandomStream& stream) const {
  std::vector<double> uniform;
  for (int64_t i = 0; i < count_; ++i) uniform.push_back(stream.uniform(static_cast<uint64_t>(i)));
  const Tensor u = torch::tensor(uniform, torch::kFloat64);
  if (!is_learned()) return spread((u < keep_).to(torch::kFloat32));
  // Neither end, whose logarithm is infinite.
  const Tensor inside = u.clamp(1e-6, 1 - 1e-6).to(logits_.options());
  return spread(HardConcrete::sample(logits_, inside));
}

Tensor DropMasks::settled() const {
  if (!is_learned()) return torch::ones({index_.numel()});
  const torch::NoGradGuard no_grad;
  return spread((HardConcrete::deterministic(logits_) > 0).to(torch::kFloat32));
}

Tensor DropMasks::penalty() const {
  return is_learned() ? HardConcrete::kept_probability(logits_).sum() : Tensor();
}

}  // namespace quantbench::srq
