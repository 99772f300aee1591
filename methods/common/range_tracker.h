// How a range goes on when more values were seen: the one rule of everything that follows batches
// (quantizers in training, observers in calibration).
//
// Momentum is the share of the new values, as in BatchNorm. The arithmetic is written out, so that
// a range does not depend on the instruction set that LibTorch chose.
#pragma once

#include "base/torch.h"

namespace quantbench {

struct RangeTracking {
  enum class Rule {
    Widest,        // the smallest low and the largest high ever seen
    MovingAverage  // fma(momentum, seen, (1 - momentum) * old), in float32
  };
  Rule rule = Rule::MovingAverage;
  double momentum = 0.01;
};

// low > high: nothing seen yet; the first range is taken as it is.
inline bool has_range(float low, float high) { return low <= high; }

// Moves low and high (float32, one shape, any device) on to what was seen (the same shape). An
// entry whose seen low or high is not finite is left alone: nothing was seen, or the batch is
// broken, which shows in the loss and is not to be carried on.
void track_range(const RangeTracking& tracking, const Tensor& seen_low, const Tensor& seen_high,
                 Tensor& low, Tensor& high);
// The same for ranges of one entry.
void track_range(const RangeTracking& tracking, float seen_low, float seen_high, Tensor& low,
                 Tensor& high);

}  // namespace quantbench
