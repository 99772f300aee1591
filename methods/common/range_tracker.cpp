#include "methods/common/range_tracker.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace quantbench {
namespace {

struct Ends {
  float low, high;
};

Ends moved(const RangeTracking& tracking, Ends old, Ends seen) {
  if (!std::isfinite(seen.low) || !std::isfinite(seen.high)) return old;
  if (!has_range(old.low, old.high)) return seen;
  if (tracking.rule == RangeTracking::Rule::Widest)
    return {std::min(old.low, seen.low), std::max(old.high, seen.high)};
  const auto share = static_cast<float>(tracking.momentum);
  const auto rest = static_cast<float>(1 - tracking.momentum);
  return {std::fma(share, seen.low, rest * old.low), std::fma(share, seen.high, rest * old.high)};
}

}  // namespace

void track_range(const RangeTracking& tracking, const Tensor& seen_low, const Tensor& seen_high,
                 Tensor& low, Tensor& high) {
  require(seen_low.numel() == low.numel() && seen_high.numel() == high.numel(),
          "A range of {} entries cannot follow one of {}.", low.numel(), seen_low.numel());
  const torch::NoGradGuard no_grad;
  const auto here = [](const Tensor& t) {
    return t.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  };
  const Tensor from_low = here(seen_low), from_high = here(seen_high);
  Tensor to_low = here(low).clone(), to_high = here(high).clone();
  auto *l = to_low.data_ptr<float>(), *h = to_high.data_ptr<float>();
  for (int64_t i = 0; i < to_low.numel(); ++i) {
    const Ends next = moved(tracking, {l[i], h[i]},
                            {from_low.data_ptr<float>()[i], from_high.data_ptr<float>()[i]});
    l[i] = next.low;
    h[i] = next.high;
  }
  low.copy_(to_low);
  high.copy_(to_high);
}

void track_range(const RangeTracking& tracking, float seen_low, float seen_high, Tensor& low,
                 Tensor& high) {
  const torch::NoGradGuard no_grad;
  const Ends next = moved(tracking, {low.item<float>(), high.item<float>()}, {seen_low, seen_high});
  low.fill_(next.low);
  high.fill_(next.high);
}

}  // namespace quantbench
