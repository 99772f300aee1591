#include <algorithm>

#include "runtime/planner.h"

namespace quantbench {
namespace {

constexpr double kLargestSum = 9007199254740992.0;  // 2^53: float64 holds every integer up to it

// Bounds of the sums of one output's products, over all outputs.
struct SumBounds {
  double least = 0, most = 0, partial = 0;
};

SumBounds bounds_of(const Tensor& integers, const ValueGrid& grid) {
  const Tensor rows = integers.flatten(1).to(torch::kDouble);
  const Tensor up = rows.clamp_min(0).sum(1), down = rows.clamp_max(0).sum(1);
  const auto low = static_cast<double>(grid.low), high = static_cast<double>(grid.high);
  SumBounds out;
  out.most = (up * high + down * low).max().item<double>();
  out.least = (up * low + down * high).min().item<double>();
  out.partial = rows.abs().sum(1).max().item<double>() * std::max(-low, high);
  return out;
}

}  // namespace

Chain Planner::product(int i, const Operation& operation) {
  const int v = operand(i, 0);
  Product work;
  work.operation = operation;
  work.macs = count_macs(graph_)[static_cast<size_t>(i)];
  const auto encoded = package_.weights.find({i, PointKind::Weight, 0});
  const Tensor weight = parameter(i, "weight");
  work.code_bits =
      encoded == package_.weights.end() ? 32 * weight.numel() : code_bits(encoded->second);
  work.weights = FloatWeights{weight.contiguous()};
  Chain chain;
  if (encoded != package_.weights.end() && value(v).grid)
    multiply_integers(encoded->second, *value(v).grid, work, chain);
  chain.work = std::move(work);
  chain.inputs = {v};
  add_bias(chain, i);
  return chain;
}

Chain Planner::chain_of(int i, const op::Conv2d& o) { return product(i, o); }

Chain Planner::chain_of(int i, const op::Linear& o) { return product(i, o); }

void Planner::multiply_integers(const Encoding& encoding, const ValueGrid& grid, Product& work,
                                Chain& chain) {
  if (auto* planes = std::get_if<MultiBitEncoding>(&encoding)) {
    const auto length = static_cast<double>(planes->signs.size(1));
    if (length * static_cast<double>(std::max(-grid.low, grid.high)) > INT32_MAX) return;
    work.weights = MultiBitWeights{*planes};
    chain.a = one(grid.scale);
    return;
  }
  auto weights = integer_weights(encoding);
  if (!weights) return;
  const SumBounds bounds = bounds_of(weights->integers, grid);
  if (bounds.partial > kLargestSum) return;
  chain.accumulator = accumulator_for(bounds.partial);
  chain.least_acc = static_cast<int64_t>(bounds.least);
  chain.most_acc = static_cast<int64_t>(bounds.most);
  chain.a = (weights->scale.to(torch::kDouble) * static_cast<double>(grid.scale)).contiguous();
  work.weights = std::move(*weights);
}

}  // namespace quantbench
