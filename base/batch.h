// What a dataset yields and a network takes: the one vocabulary that both floors share.
#pragma once

#include <memory>

#include "base/topology.h"

namespace quantbench {

struct Batch {
  Tensor input;        // images: float [N, C, H, W], normalised; graphs: float [nodes, features]
  Tensor target;       // int64 [M] class labels, one for each scored output row
  Tensor scored_rows;  // int64 [M]: which rows of the output are scored; undefined: all of them
  Tensor sample_ids;   // int64 [M]: position in the dataset, for per-sample predictions
  std::shared_ptr<const Topology> topology;  // graphs only

  Batch to(torch::Device device) const {
    auto move = [&](const Tensor& t) { return t.defined() ? t.to(device) : t; };
    return {move(input), move(target), move(scored_rows), sample_ids,
            topology ? topology->to(device) : nullptr};
  }

  // The rows of `output` [rows, classes] that are scored, in the order of `target`.
  Tensor scored(const Tensor& output) const {
    return scored_rows.defined() ? output.index_select(0, scored_rows) : output;
  }
};

}  // namespace quantbench
