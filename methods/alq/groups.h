// How a weight is cut into groups, and in what order its elements lie in memory so that each group
// is one run.
#pragma once

#include "methods/encoding.h"

namespace quantbench::alq {

struct Groups {
  Grouping grouping = Grouping::Channel;
  int64_t parts = 1;
  std::vector<int64_t> shape;  // of the weight
  int64_t count = 0, length = 0;
};

// Throws Error when rows cannot be cut into `parts`.
Groups groups_of(torch::IntArrayRef shape, Grouping grouping, int64_t parts);

// The weight's elements, float32 [count, length], contiguous; and such a tensor seen as the weight
// (channels-last where a group is one tap of a filter), without a copy.
Tensor gather(const Groups& groups, const Tensor& weight);
Tensor as_weight(const Groups& groups, const Tensor& values);

}  // namespace quantbench::alq
