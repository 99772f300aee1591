// The range that a quantizer of Degree-Quant follows in training (dossier section 2.2): statistics
// of the rows that are not protected.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/torch.h"
#include "methods/degree_quant/row_kernels.h"

namespace quantbench {

// The ranks (from 1) of the low and the high percentile of n values, as the authors' code has them:
// int(n*p) and int(n*(1-p)), at least 1.
struct TailRanks {
  int64_t low = 1, high = 1;
};
TailRanks tail_ranks(int64_t n, double p);

enum class RangeRule {
  Absolute,           // smallest and largest value ever seen
  Momentum,           // moving average of each batch's smallest and largest value
  Percentile,         // smallest low and largest high percentile ever seen (published: GC-PER)
  PercentileMomentum  // moving average of each batch's percentiles
};
// "abs", "mom", "per", "per_mom", in the order of RangeRule.
const std::vector<std::string>& range_rules();

struct RangeConfig {
  RangeRule rule = RangeRule::Percentile;
  double percentile = 0.001;  // share of values beyond each end
  double momentum = 0.01;     // share of the new batch
};

// Updates the range [low, high] (float32 [1] each; low > high: nothing seen yet) from x, whose rows
// (dimension 0) with keep = 1 are protected and do not count; keep uint8 [rows], or undefined: all
// count. Nothing happens where no row counts. Percentiles are exact: one pass counts what lies
// beyond the range, and only where that is more than the percentile allows are those values, few
// after the first batch, collected and selected from.
void update_range(const RangeConfig& config, const Tensor& x, const Tensor& keep, Tensor& low,
                  Tensor& high);

// Whether the range never shrinks: then counting beyond it tells whether it must move, and
// quantizing and counting can share one pass.
bool widens_only(RangeRule rule);

// Whether update_range() leaves a range alone that only widens and beyond which so much was seen.
bool stays(const RangeConfig& config, const kernels::Beyond& seen);

}  // namespace quantbench
