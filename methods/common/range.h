// From an interval of real numbers to a uniform grid.
#pragma once

#include "methods/encoding.h"

namespace quantbench {

// What a grid has to cover, for the whole tensor or for each channel (dimension 0).
// low, high: float32 [1] or [channels], low <= 0 <= high.
struct Range {
  Granularity granularity = Granularity::Tensor;  // Tensor or Channel
  Tensor low, high;
};

enum class Scheme {
  Symmetric,  // -m..m with m = max(-low, high), zero point 0, codes without the lowest one
  Affine,     // low..high, unsigned codes with a zero point (0 when low is 0: plain unsigned)
};

// The grid of `bits` over `range`. Symmetric with one bit has the two levels -m and +m (step 2);
// affine with one bit and low = 0 has 0 and high. An empty range gives the scale 1.
UniformFormat uniform_format(const Range& range, BitWidth bits, Scheme scheme);

// Smallest and largest value, widened to include 0. One pass; NaN is passed over.
Range min_max(const Tensor& x, Granularity granularity);

// -m..m with m = mean |x|: the scale of binary weights that is best in the least-squares sense
// (Rastegari et al. 2016, XNOR-Net, eq. 6).
Range mean_magnitude(const Tensor& x, Granularity granularity);

}  // namespace quantbench
