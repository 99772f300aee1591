// The edges of one graph, or of many graphs laid side by side without edges between them.
// Immutable; edges are kept sorted by target, so that sums over a node's incoming messages are
// contiguous.
#pragma once

#include <memory>

#include "base/torch.h"

namespace quantbench {

class Topology {
 public:
  // source, target: int64 [E], message direction source -> target. graph_of_node: int64 [N],
  // ascending, or undefined for one graph. Throws Error when an index is out of range.
  Topology(int64_t node_count, Tensor source, Tensor target, Tensor graph_of_node = {});

  int64_t node_count() const { return node_count_; }
  int64_t edge_count() const { return source_.size(0); }
  int64_t graph_count() const { return graph_count_; }

  const Tensor& source() const { return source_; }        // int64 [E], sorted by target
  const Tensor& target() const { return target_; }        // int64 [E], ascending
  const Tensor& offsets() const { return offsets_; }      // int64 [N+1]: edges into each node
  const Tensor& by_source() const { return by_source_; }  // int64 [E]: edge ids, source ascending
  const Tensor& source_offsets() const { return source_offsets_; }  // int64 [N+1] into by_source
  const Tensor& graph_of_node() const { return graph_of_node_; }    // int64 [N]; undefined: all one
  Tensor in_degree() const;                                         // int64 [N]

  // The same graph with every self-loop replaced by exactly one per node. Computed once.
  std::shared_ptr<const Topology> with_self_loops() const;

  // 1 / sqrt(d_source * d_target), float [E], d = in-degree (GCN, Kipf & Welling 2017, eq. 2, on a
  // topology that already has its self-loops). Computed once.
  const Tensor& gcn_norm() const;

  std::shared_ptr<const Topology> to(torch::Device device) const;

 private:
  int64_t node_count_;
  int64_t graph_count_ = 1;
  Tensor source_, target_, offsets_, by_source_, source_offsets_, graph_of_node_;
  mutable std::shared_ptr<const Topology> with_self_loops_;
  mutable Tensor gcn_norm_;
};

}  // namespace quantbench
