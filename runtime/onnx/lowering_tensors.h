// Small questions about tensors that the parts of a lowering share.
#pragma once

#include <vector>

#include "runtime/plan.h"

namespace quantbench {

inline Tensor vector_of(const std::vector<int64_t>& numbers) { return torch::tensor(numbers); }

inline bool all_equal(const Tensor& t, double number) {
  return (t.to(torch::kFloat) == static_cast<float>(number)).all().item<bool>();
}

inline Tensor real_of(const Tensor& t) { return t.to(torch::kDouble); }

// How many numbers each sum of the pool has.
inline double pool_count(const SumPool& pool, const PlanValue& input) {
  return pool.kernel != 0 ? static_cast<double>(pool.kernel * pool.kernel)
                          : static_cast<double>(input.shape[1] * input.shape[2]);
}

}  // namespace quantbench
