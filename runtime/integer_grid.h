// Real values as integers times one scale: what a uniform format comes down to for a multiplier.
// Formats with a scale an element fall onto one grid when their scales differ by powers of two, as
// those of fixed-point hardware do.
#pragma once

#include <cstdint>
#include <optional>

#include "methods/encoding.h"

namespace quantbench {

// The values of an activation under a format are scale * n with integers |n| <= largest.
class IntegerGrid {
 public:
  // Nothing when the scales have no common grid, when it would need integers that float32 does not
  // hold exactly, or when the format has a scale for each position along the first dimension.
  static std::optional<IntegerGrid> of(const UniformFormat& format);

  float scale() const { return scale_; }
  int64_t largest() const { return largest_; }

  // The integers of `x`, as float32; scale * integer is, bit for bit, what apply() gives.
  Tensor place(const Tensor& x) const;

 private:
  explicit IntegerGrid(UniformFormat format) : format_(std::move(format)) {}

  UniformFormat format_;
  Tensor multiplier_;  // float32, a power of two for each scale; undefined: all 1
  float scale_ = 1;
  int64_t largest_ = 0;
};

// A weight [out, ...] as integers with one scale for each output.
struct IntegerWeight {
  Tensor integers;              // int32, the weight's shape
  Tensor scale;                 // float32 [out]
  int64_t largest = 0;          // |integer|
  int64_t largest_row_sum = 0;  // of the |integers| of one output
};

// Nothing when the scales of an output have no common grid or its integers do not fit int32.
std::optional<IntegerWeight> integer_weight(const UniformEncoding& encoding);

}  // namespace quantbench
