// The inner loops of quantization in training: one pass over memory each, forward and backward, on
// runs of float32 that share one grid. The values are bit for bit those of quantize() and
// dequantize() in methods/encoding.h. Sums are added in an order that depends on nothing but the
// run's length.
#pragma once

#include <cstdint>
#include <limits>

namespace quantbench::kernels {

// A saturating, half-even grid, spelled out for a loop:
//   code = clamp(round((x*inverse + shift) * factor) + offset, low, high)
//   value = (step*code - zero_point) * scale
struct Grid {
  float inverse = 1, shift = 0, factor = 1, offset = 0;
  float low = 0, high = 0;
  float step = 1, zero_point = 0, scale = 1;
};

// The ReLU that a quantizer does on the side: values below `low` become `low`, those above `high`
// become `high`, and no gradient passes at or beyond either. NaN: no such limit.
struct Rectifier {
  float low = std::numeric_limits<float>::quiet_NaN();
  float high = std::numeric_limits<float>::quiet_NaN();
};

// bfloat16, as its bits, to float32 and back (to nearest even).
void widen(const uint16_t* from, float* to, int64_t n);
void narrow(const float* from, uint16_t* to, int64_t n);

struct Extremes {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
};

// y = value of rectified x.
void quantize(const float* x, float* y, int64_t n, Grid grid, Rectifier rectifier);

// The smallest and the largest rectified x; NaN is passed over.
Extremes extremes(const float* x, int64_t n, Rectifier rectifier);

// dx = gradient where edge_low <= x/scale <= edge_high, else 0.
void straight_backward(const float* x, const float* gradient, float* dx, int64_t n, float inverse,
                       float edge_low, float edge_high, Rectifier rectifier);

// LSQ (Esser et al. 2020, eq. 3 and 5): dx = gradient strictly inside the grid, else 0; returns the
// sum of gradient * (value/scale - x/scale inside, value/scale outside).
double learned_step_backward(const float* x, const float* gradient, float* dx, int64_t n, Grid grid,
                             Rectifier rectifier);

// PACT (Choi et al. 2018, eq. 3): dx = gradient where 0 < x < alpha, else 0; returns the sum of the
// gradient where x >= alpha.
double pact_backward(const float* x, const float* gradient, float* dx, int64_t n, float alpha,
                     Rectifier rectifier);

}  // namespace quantbench::kernels
