// What number formats come to in a plan: grids of values, the step that puts numbers on them, and
// weights as integers. Scales of elements fall onto one grid where they differ by powers of two, as
// those of fixed-point hardware do.
#pragma once

#include "runtime/plan.h"

namespace quantbench {

// A format, laid out for a value of some shape. With a real number y, u = y * factor + shift is
// what the quantization rounds.
struct PlannedFormat {
  std::optional<ValueGrid> grid;  // nothing: the quantization gives real numbers
  Quantization quantization;
  double factor = 1, shift = 0;
};

// Throws Error, starting with `what`, on a grid of step 2 whose elements have formats of their own.
// Not for FloatFormat.
PlannedFormat planned(const Format& format, const std::string& what);

// A ReLU (`most` > 0: its upper limit) in front of the rounding; where the quantization saturates
// it moves the bounds of the codes, else it remains in `finish`.
void absorb_relu(double most, PlannedFormat& format, Finish& finish);

// A weight [out, ...] as integers with one scale for each output; nothing when an output's scales
// (or levels) have no common grid or its integers do not fit int32.
std::optional<IntegerWeights> integer_weights(const Encoding& encoding);

// Levels that are integers times one scale, bit for bit: float(scale * n). `levels` float32 [L].
struct IntegerLevels {
  float scale = 1;
  Tensor integers;  // int32 [L]
};
std::optional<IntegerLevels> integer_levels(const Tensor& levels);

}  // namespace quantbench
