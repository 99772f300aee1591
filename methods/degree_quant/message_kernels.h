// The inner loops of quantized message passing: a message is made, quantized and added while it is
// in registers, and made again in the backward pass.
#pragma once

#include "methods/common/kernels.h"
#include "methods/degree_quant/row_kernels.h"
#include "models/edge_rows.h"

namespace quantbench::kernels {

// What happens to the messages x[other] * factor [width] of some edges.
struct Messages {
  EdgeRows edges;
  const uint8_t* keep = nullptr;  // by edge, 1: protected, passes unchanged; nullptr: none is
  int64_t width = 1;
  Grid grid;
  bool clipped = false;  // no gradient where the unclamped code is not inside the grid
};

// Edges by target: out[v] += the grid's values of the messages to v, for v in first..last-1. Counts
// what lies beyond low..high among those that are quantized.
Beyond sum_quantized(const float* x, const Messages& m, int64_t first, int64_t last, float* out,
                     float low, float high);

// Edges by source: dx[u] += factor * gradient[target], where it passes, over the messages from u.
void sum_gated(const float* x, const float* gradient, const Messages& m, int64_t first,
               int64_t last, float* dx);

}  // namespace quantbench::kernels
