#include "methods/degree_quant/row_range.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

#include "methods/common/range_tracker.h"
#include "methods/degree_quant/row_blocks.h"

namespace quantbench {
namespace {

using kernels::Beyond;
using kernels::Extremes;
using kernels::RowBlock;

// One result a block, so that what is added up does not depend on the threads.
template <typename Result, typename Kernel>
std::vector<Result> over_blocks(const RowBlocks& blocks, const Kernel& kernel) {
  std::vector<Result> out(static_cast<size_t>(blocks.count()));
  blocks.for_each(
      [&](int64_t i, int64_t, RowBlock block) { out[static_cast<size_t>(i)] = kernel(block); });
  return out;
}

Extremes extremes_of(const RowBlocks& blocks) {
  Extremes out;
  for (const Extremes& e : over_blocks<Extremes>(blocks, kernels::row_extremes)) {
    out.low = std::min(out.low, e.low);
    out.high = std::max(out.high, e.high);
  }
  return out;
}

Beyond beyond(const RowBlocks& blocks, float low, float high) {
  Beyond out;
  for (const Beyond& b : over_blocks<Beyond>(
           blocks, [=](RowBlock block) { return kernels::count_beyond(block, low, high); }))
    out += b;
  return out;
}

// The value of rank `rank` (from 1, counted from the end) among the `count` values beyond `bound`.
float select_beyond(const RowBlocks& blocks, int64_t count, float bound, bool above, int64_t rank) {
  std::vector<float> values(static_cast<size_t>(count));
  kernels::collect_beyond(blocks.all(), bound, above, values.data());
  const auto at = values.begin() + (rank - 1);
  if (above)
    std::nth_element(values.begin(), at, values.end(), std::greater<>());
  else
    std::nth_element(values.begin(), at, values.end());
  return *at;
}

// The percentiles where they lie beyond low..high, else low and high. Without values: nothing.
bool percentiles_beyond(const RowBlocks& blocks, double p, float& low, float& high) {
  const Beyond there = beyond(blocks, low, high);
  if (there.total == 0) return false;
  const TailRanks ranks = tail_ranks(there.total, p);
  const int64_t from_top = there.total - ranks.high + 1;
  if (there.below >= ranks.low) low = select_beyond(blocks, there.below, low, false, ranks.low);
  if (there.above >= from_top) high = select_beyond(blocks, there.above, high, true, from_top);
  return true;
}

}  // namespace

TailRanks tail_ranks(int64_t n, double p) {
  const auto rank = [n](double share) {
    const auto below = static_cast<int64_t>(static_cast<double>(n) * share);
    return std::clamp<int64_t>(below, 1, std::max<int64_t>(n, 1));
  };
  return {rank(p), rank(1 - p)};
}

bool widens_only(RangeRule rule) {
  return rule == RangeRule::Absolute || rule == RangeRule::Percentile;
}

bool stays(const RangeConfig& config, const Beyond& seen) {
  if (!widens_only(config.rule)) return false;
  if (config.rule == RangeRule::Absolute) return seen.below == 0 && seen.above == 0;
  const TailRanks ranks = tail_ranks(seen.total, config.percentile);
  return seen.total == 0 || (seen.below < ranks.low && seen.above < seen.total - ranks.high + 1);
}

const std::vector<std::string>& range_rules() {
  static const std::vector<std::string> names{"abs", "mom", "per", "per_mom"};
  return names;
}

void update_range(const RangeConfig& config, const Tensor& x, const Tensor& keep, Tensor& low,
                  Tensor& high) {
  const torch::NoGradGuard no_grad;
  const Tensor rows = x.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  const Tensor mask = keep.defined() ? keep.to(torch::kCPU).contiguous() : keep;
  const RowBlocks blocks(rows, mask);
  const float seen_low = low.item<float>(), seen_high = high.item<float>();
  const bool first = !has_range(seen_low, seen_high);
  constexpr float infinity = std::numeric_limits<float>::infinity();

  float new_low = infinity, new_high = -infinity;
  switch (config.rule) {
    case RangeRule::Absolute:
    case RangeRule::Momentum: {
      const Extremes e = extremes_of(blocks);
      new_low = e.low;
      new_high = e.high;
      break;
    }
    case RangeRule::Percentile:
      if (!first) new_low = seen_low, new_high = seen_high;
      if (!percentiles_beyond(blocks, config.percentile, new_low, new_high)) return;
      break;
    case RangeRule::PercentileMomentum:
      if (!percentiles_beyond(blocks, config.percentile, new_low, new_high)) return;
      break;
  }
  using Rule = RangeTracking::Rule;
  const Rule rule = widens_only(config.rule) ? Rule::Widest : Rule::MovingAverage;
  track_range({rule, config.momentum}, new_low, new_high, low, high);
}

}  // namespace quantbench
