// Ranges of many sites at once: weights as they are, activations from one pass over the calibration
// batches.
#pragma once

#include <functional>
#include <map>

#include "methods/common/observers.h"
#include "methods/site.h"
#include "models/network.h"

namespace quantbench {

// What was seen at a site: low, high and mean magnitude, float32 [3, scales] on the CPU. A plain
// tensor, so that it can be part of a method's state as it is.
using Calibration = std::map<std::string, Tensor>;  // by site name

// Observes every site under the observer that `config_of` gives for it, in evaluation mode. A
// weight of one bit gets its mean magnitude as range (mean_magnitude()).
Calibration calibrate(Network& network, const std::vector<Batch>& batches,
                      const std::vector<Site>& sites,
                      const std::function<ObserverConfig(const Site&)>& config_of);

// A site's range of a calibration. Throws Error, starting with `owner`, when it is not there or no
// such tensor.
Range range_at(const Calibration& calibration, const Site& site, Granularity granularity,
               const std::string& owner);
Tensor mean_magnitude_at(const Calibration& calibration, const Site& site,
                         const std::string& owner);

}  // namespace quantbench
