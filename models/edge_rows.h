// The edges of a topology as loops over them need them: seen from the nodes at one end.
#pragma once

#include "base/topology.h"

namespace quantbench {

// Edges offsets[v]..offsets[v+1]-1 of node v, by their number in the topology order[k] (nullptr: k
// itself); each leads to a node `other` and carries a factor `weight` (nullptr: 1).
struct EdgeRows {
  const int64_t *offsets = nullptr, *order = nullptr, *other = nullptr;
  const float* weight = nullptr;

  int64_t edge(int64_t k) const { return order ? order[k] : k; }
  float factor(int64_t edge) const { return weight ? weight[edge] : 1.0f; }
};

// Seen from the targets, `other` being the sources; and the other way round. `weight` is contiguous
// float32 [E] on the CPU, or undefined; it and the topology outlive what is returned.
inline EdgeRows edges_by_target(const Topology& t, const Tensor& weight) {
  return {t.offsets().data_ptr<int64_t>(), nullptr, t.source().data_ptr<int64_t>(),
          weight.defined() ? weight.data_ptr<float>() : nullptr};
}
inline EdgeRows edges_by_source(const Topology& t, const Tensor& weight) {
  return {t.source_offsets().data_ptr<int64_t>(), t.by_source().data_ptr<int64_t>(),
          t.target().data_ptr<int64_t>(), weight.defined() ? weight.data_ptr<float>() : nullptr};
}

}  // namespace quantbench
