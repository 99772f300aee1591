// Quantizing through the categories of a value: plain RQ (arXiv 1810.01875), SRQ's arg-max-only
// rule, and SRQ with masks on its grid points (DropBits, arXiv 1911.12990). SRQ without masks needs
// no categories: see semi_relaxed_quantize.
#pragma once

#include <limits>

#include "base/random.h"
#include "base/torch.h"
#include "methods/common/kernels.h"

namespace quantbench::srq {

struct CategoricalRule {
  int64_t low = 0, high = 0;  // integers of the grid
  bool open = true;           // the outer cells reach to infinity; false: truncated to the grid
  // Points further than `local` sigma from the nearest one are left out, but never its neighbours:
  // a point alone passes no gradient.
  double local = std::numeric_limits<double>::infinity();
  double temperature = 1;    // of the softmax (RQ's lambda)
  bool sampled = false;      // with Gumbel noise from `noise`
  bool hard = true;          // forward takes the most probable point, not the mean
  bool only_chosen = false;  // backward through the most probable point's probability alone
  RandomStream noise{0, "method"};
};

// alpha * (chosen integer or mean) of x, float32 or float64. `alpha` and `sigma` [1] and `weights`
// [high - low + 1], the masks z >= 0 of the points, get their gradients; undefined weights are all
// one. On devices other than the CPU it takes the way through the CPU. Throws Error when all
// weights are 0, and on a second derivative.
Tensor categorical_quantize(const Tensor& x, const Tensor& alpha, const Tensor& sigma,
                            const Tensor& weights, const CategoricalRule& rule,
                            kernels::Rectifier rectifier = {});

}  // namespace quantbench::srq
