// The options of every method that takes ranges from calibration: which observer chooses them.
#pragma once

#include "base/options.h"
#include "methods/common/observers.h"

namespace quantbench {

// "observer" (default "minmax") and "percentile".
std::vector<Option> observer_options();

// What these options choose; granularity, bits and scheme are the site's.
ObserverConfig observer_config(const OptionValues& options, BitWidth bits, Granularity granularity,
                               Scheme scheme);

}  // namespace quantbench
