// Inputs that are the same on every machine: no random generator of a library has a say in them.
#pragma once

#include "base/batch.h"
#include "runtime/plan.h"

namespace quantbench {

inline uint64_t scrambled(uint64_t i) {
  i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9u;
  i = (i ^ (i >> 27)) * 0x94d049bb133111ebu;
  return i ^ (i >> 31);
}

// Numbers within +-2 and, for graph networks, four edges a node in two graphs.
inline Batch pattern_batch(const std::vector<int64_t>& shape, int64_t rows, bool graphs) {
  std::vector<int64_t> sizes{rows};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  Batch batch;
  batch.input = torch::empty(sizes);
  float* x = batch.input.data_ptr<float>();
  for (int64_t i = 0; i < batch.input.numel(); ++i)
    x[i] = static_cast<float>(scrambled(static_cast<uint64_t>(i) + 1) >> 40) * 0x1p-22f - 2.0f;
  if (!graphs) return batch;
  Tensor ends = torch::empty({2, 4 * rows}, torch::kLong);
  auto* end = ends.data_ptr<int64_t>();
  for (int64_t i = 0; i < ends.numel(); ++i)
    end[i] = static_cast<int64_t>(scrambled(static_cast<uint64_t>(i) + 77) %
                                  static_cast<uint64_t>(rows));
  const Tensor graph_of_node = (torch::arange(rows) >= rows / 3).to(torch::kLong);
  batch.topology =
      std::make_shared<Topology>(rows, ends[0].clone(), ends[1].clone(), graph_of_node);
  return batch;
}

}  // namespace quantbench
