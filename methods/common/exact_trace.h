// Traces of Hessian blocks without sampling error, for networks that are piecewise linear.
//
// Where every operation between a weight (or an activation) and the logits is piecewise linear -
// convolutions, Linear, evaluated BatchNorm, ReLU, additions, pooling - the logits z of an image
// have no second derivative with respect to it, and its Hessian block is exactly the Gauss-Newton
// matrix (Schraudolph 2002)
//
//   H = mean_n J_n' (diag(p_n) - p_n p_n') J_n,   J_n = dz_n / dw,  p_n = softmax(z_n),
//
// whose trace is a sum of squared gradients of single images,
//
//   Tr H = mean_n sum_k p_nk | J_n' (e_k - p_n) |^2.
//
// One backward pass for each class gives it for every layer and activation at once, with no
// sampling error. The norm of one image's weight gradient needs no such gradient to be formed where
// its Gram matrices are smaller (Goodfellow 2015; Bu et al. 2022, "mixed ghost norm").
#pragma once

#include "methods/common/hessian.h"
#include "methods/site.h"
#include "models/network.h"

namespace quantbench {

// Whether the logits are piecewise linear in each weight and activation alone, and the rows of a
// batch do not interact: the networks that exact_traces() takes.
bool has_exact_traces(const Graph& graph);

// Traces of the mean cross-entropy's Hessian with respect to each site's tensor. For activations:
// the mean over images of the trace for one image. With at most `most_classes` classes the error
// is 0 and samples is the class count; beyond that the sum over classes is sampled by random signs
// (E_u |J' C u|^2 with C C' = diag(p) - pp', signs of their own for each image) until every trace
// meets `target`. Gradients pass to weights and Output points only; taps must be off and the
// network in evaluation mode.
std::vector<TraceEstimate> exact_traces(Network& network, const std::vector<Batch>& batches,
                                        const std::vector<Site>& sites, const RandomStream& stream,
                                        const TraceTarget& target = {}, int64_t most_classes = 64);

}  // namespace quantbench
