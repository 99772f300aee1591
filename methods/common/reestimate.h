// BatchNorm's statistics under the quantizers of evaluation.
#pragma once

#include <vector>

#include "models/network.h"

namespace quantbench {

// Replaces the running mean and variance of every BatchNorm by the mean over `batches` of their own
// statistics, with taps as in evaluation. Without batches, or BatchNorms, nothing changes.
void reestimate_batch_norm(Network& network, const std::vector<Batch>& batches);

}  // namespace quantbench
