// BatchNorm statistics estimated again: after quantizers have changed what arrives, the running
// ones of training describe another network.
#pragma once

#include <vector>

#include "models/network.h"

namespace quantbench {

// Replaces the running mean and variance of every BatchNorm by their plain averages over `batches`
// (the unbiased variance of each, as in training). Every BatchNorm normalises by the batch
// meanwhile; Dropout is off and taps are in evaluation. The network is left in the mode it was in.
// Without a BatchNorm nothing happens. Throws Error when there is no batch.
void reestimate_batch_norm(Network& network, const std::vector<Batch>& batches);

}  // namespace quantbench
