// Quantized messages summed where they arrive, without a tensor as long as the edges.
#pragma once

#include "base/topology.h"
#include "methods/degree_quant/masked_quantize.h"

namespace quantbench {

// x float32 [N, F] on the CPU, weight float32 [E] without a gradient (undefined: 1), keep uint8 [E]
// (undefined: every message is quantized) -> [N, F]: bit for bit the sums at the targets of
// masked_quantize(x[source] * weight, keep, format, rule, watch), forward and backward. No second
// derivative.
Tensor masked_message_sum(const Tensor& x, const Tensor& weight, const Topology& topology,
                          const Tensor& keep, const UniformFormat& format, GradientRule rule,
                          Watch* watch = nullptr);

}  // namespace quantbench
