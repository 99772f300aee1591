#include "methods/degree_quant/range_tracker.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

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
           blocks, [=](RowBlock block) { return kernels::count_beyond(block, low, high); })) {
    out.total += b.total;
    out.below += b.below;
    out.above += b.above;
  }
  return out;
}

// The values of the rows that count for which chosen(x).
template <typename Chosen>
std::vector<float> collect(const RowBlocks& blocks, int64_t expected, const Chosen& chosen) {
  std::vector<float> out;
  out.reserve(static_cast<size_t>(expected));
  const RowBlock all = blocks.all();
  for (int64_t row = 0; row < all.rows; ++row) {
    if (all.keep && all.keep[row]) continue;
    for (int64_t i = row * all.width; i < (row + 1) * all.width; ++i)
      if (chosen(all.x[i])) out.push_back(all.x[i]);
  }
  return out;
}

// The element of rank `rank` (from 1) in the order of `before`.
template <typename Order>
float select(std::vector<float> values, int64_t rank, const Order& before) {
  const auto at = values.begin() + (rank - 1);
  std::nth_element(values.begin(), at, values.end(), before);
  return *at;
}

// The percentiles where they lie beyond low..high, else low and high. Without values: nothing.
bool percentiles_beyond(const RowBlocks& blocks, double p, float& low, float& high) {
  const Beyond there = beyond(blocks, low, high);
  if (there.total == 0) return false;
  const TailRanks ranks = tail_ranks(there.total, p);
  const int64_t from_top = there.total - ranks.high + 1;
  const float old_low = low, old_high = high;
  if (there.below >= ranks.low)
    low = select(collect(blocks, there.below, [=](float x) { return x < old_low; }), ranks.low,
                 std::less<>());
  if (there.above >= from_top)
    high = select(collect(blocks, there.above, [=](float x) { return x > old_high; }), from_top,
                  std::greater<>());
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
  const bool first = !(seen_low <= seen_high);
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
  // A broken batch shows in the loss; the range is not to carry it on.
  if (!std::isfinite(new_low) || !std::isfinite(new_high)) return;
  const bool moving =
      config.rule == RangeRule::Momentum || config.rule == RangeRule::PercentileMomentum;
  if (moving && !first) {
    const auto share = static_cast<float>(config.momentum);
    new_low = seen_low + share * (new_low - seen_low);
    new_high = seen_high + share * (new_high - seen_high);
  } else if (config.rule == RangeRule::Absolute && !first) {
    new_low = std::min(new_low, seen_low);
    new_high = std::max(new_high, seen_high);
  }
  low.fill_(new_low);
  high.fill_(new_high);
}

}  // namespace quantbench
