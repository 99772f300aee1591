// Message passing on a Topology, differentiable any number of times. Rows are handled by several
// threads, each target by one, so the sums do not depend on the number of threads.
#pragma once

#include "base/topology.h"

namespace quantbench {

// x [N, F] -> x[source] [E, F].
Tensor gather_source(const Tensor& x, const Topology& topology);
// x [N, F], weight [E] -> x[source] * weight [E, F], bit for bit the two steps in one: no copy of x
// for each edge, forward or backward.
Tensor gather_source(const Tensor& x, const Tensor& weight, const Topology& topology);
// x [N, F] -> x[target] [E, F].
Tensor gather_target(const Tensor& x, const Topology& topology);
// messages [E, F] -> their sum at each target [N, F].
Tensor sum_at_target(const Tensor& messages, const Topology& topology);
// messages [E, F] -> their sum at each source [N, F].
Tensor sum_at_source(const Tensor& messages, const Topology& topology);
// x [N, F] -> x[source], times weight [E] where that is defined.
Tensor messages(const Tensor& x, const Tensor& weight, const Topology& topology);
// The sum at each target of x[source] times weight [E] (undefined: 1): [N, F] -> [N, F], bit for bit
// gather_source() and sum_at_target(), but no tensor is as long as the edges, forward or backward.
Tensor propagate(const Tensor& x, const Tensor& weight, const Topology& topology);
// Softmax of logits [E, H] over the edges of each target.
Tensor softmax_at_target(const Tensor& logits, const Topology& topology);
// Rows of each graph summed or averaged: [N, F] -> [graphs, F].
Tensor read_out(const Tensor& x, const Topology& topology, bool mean);

}  // namespace quantbench
