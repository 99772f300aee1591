// Lists of small whole numbers in one width: how a package keeps the widths and the scales of
// elements that have their own.
#pragma once

#include <optional>

#include "methods/encoding.h"
#include "runtime/packing.h"

namespace quantbench {

struct PackedNumbers {
  int lowest = 0, bits = 0;

  // The narrowest that holds all of `numbers`.
  static PackedNumbers of(const Tensor& numbers);
  PackedLayout layout() const;
};

// Widths take at least one bit each, so that no file can claim more of them than it has room for.
PackedNumbers packed_widths(const UniformFormat& format);

// The exponents of the scales in use, int32, when they are powers of two, those of pruned elements
// are 1, and each has a width; else nothing.
std::optional<Tensor> exponents_of(const UniformFormat& format);

// The inverse: float32 scales, in the shape of `widths`.
Tensor scales_of(const Tensor& exponents, const Tensor& widths);

}  // namespace quantbench
