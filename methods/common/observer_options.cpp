#include "methods/common/observer_options.h"

namespace quantbench {

std::vector<Option> observer_options() {
  return {
      Option::choice("observer", "minmax", observer_kinds(),
                     "how calibration chooses ranges (qat: of activations, to start from)"),
      Option::real("percentile", 99.99, 50, 100, "share of values in percent, for that observer"),
  };
}

ObserverConfig observer_config(const OptionValues& options, BitWidth bits, Granularity granularity,
                               Scheme scheme) {
  ObserverConfig config;
  config.kind = options.text("observer");
  config.percentile = options.real("percentile");
  config.granularity = granularity;
  config.bits = bits;
  config.scheme = scheme;
  return config;
}

}  // namespace quantbench
