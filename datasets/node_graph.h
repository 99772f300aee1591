// Node classification on one graph: what Planetoid and the synthetic graph share. The tensors are
// made once; batches share them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "datasets/dataset.h"

namespace quantbench {

struct NodeGraph {
  Tensor features;  // float [nodes, features]
  Tensor labels;    // int64 [nodes]
  std::shared_ptr<const Topology> topology;
  std::vector<int64_t> train, validation, test;  // nodes whose label is scored in each split
  int64_t class_count = 0;
  std::string fingerprint, preprocessing;
};

// The dataset of that graph. sample_ids of its batches are node numbers.
std::unique_ptr<Dataset> node_dataset(NodeGraph graph);

// A topology with every edge in both directions, without self-loops and duplicates. `edges` are
// pairs of nodes 0..node_count-1. Throws Error on any other number.
std::shared_ptr<const Topology> undirected(int64_t node_count,
                                           std::vector<std::pair<int64_t, int64_t>> edges);

// Divides every row by its sum; rows whose sum is 0 stay as they are.
void normalize_rows(Tensor& features);

}  // namespace quantbench
