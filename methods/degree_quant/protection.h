// Which nodes run in full precision in a training step (Degree-Quant, arXiv 2008.05000, section 3):
// each is drawn with a probability that grows with the rank of its in-degree.
#pragma once

#include <map>
#include <memory>

#include "base/random.h"
#include "base/topology.h"

namespace quantbench {

// float64 [nodes]: with C(d) the share of the nodes of v's own graph whose in-degree is d or less,
//   p_v = p_min + (p_max - p_min) * C(d_v).
// Nodes of equal degree have equal probability; in a regular graph all have p_max.
Tensor protection_probabilities(const Topology& graph, double p_min, double p_max);

// The masks of one training step, shared by all quantizers of a network.
class Protection {
 public:
  // per_layer: every layer draws for itself; else one draw serves the whole network.
  Protection(double p_min, double p_max, bool per_layer)
      : p_min_(p_min), p_max_(p_max), per_layer_(per_layer) {}

  // Begins a training step: its masks follow from `random` alone.
  void begin_step(const RandomStream& random);

  // uint8 [nodes], 1: protected. `graph` as the batch has it, without the self-loops of a layer.
  Tensor nodes(const std::shared_ptr<const Topology>& graph, int layer);
  // uint8 [edges] of `on` (`graph` or the same with self-loops): whether the source is protected.
  Tensor edges(const std::shared_ptr<const Topology>& graph, const Topology& on, int layer);

 private:
  double p_min_, p_max_;
  bool per_layer_;
  RandomStream random_{0, "protection"};
  std::shared_ptr<const Topology> graph_;  // that the probabilities belong to
  Tensor probabilities_;
  std::map<int, Tensor> nodes_;  // by layer
  std::map<std::pair<int, const Topology*>, Tensor> edges_;
};

}  // namespace quantbench
