// Soft staircases as tables of polynomials: without exponentials, divisions or a look at every
// edge.
#pragma once

#include <cstdint>
#include <optional>

#include "methods/common/lane_table.h"
#include "methods/common/staircase.h"

namespace quantbench::kernels {

// lowest + sum h s; sum h s (1 - s); the same times (position - edge)
enum class Curve { Value, Slope, Moment };

// Interpolates at Chebyshev's points in 32 or 64 cells, with an error below 1e-6 of the largest
// value, slope or moment, to which float32 adds a few units (of the position, above all). `reach`:
// |slope * (position - edge)| beyond which a sigmoid counts as 0 or 1. None where there are more
// than 32 edges or the cells would be too wide.
std::optional<CurveTable> curve_table(const Staircase& staircase, double slope, double reach,
                                      Curve curve, int64_t cells);

}  // namespace quantbench::kernels
