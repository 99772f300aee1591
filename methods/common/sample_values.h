// A look at the values that pass a site: enough of them to fit a grid or cluster by.
#pragma once

#include <map>
#include <vector>

#include "methods/site.h"
#include "models/network.h"

namespace quantbench {

struct SampledValues {
  Tensor values;             // float32 [n] on the CPU, evenly spread over all that passed
  double low = 0, high = 0;  // of all that passed
};

// Of each site, evaluated on `batches`; weights as they are. About `count` values of each. Throws
// Error on a value that is not finite.
std::map<std::string, SampledValues> sample_values(Network& network,
                                                   const std::vector<Batch>& batches,
                                                   const std::vector<Site>& sites, int64_t count);

}  // namespace quantbench
