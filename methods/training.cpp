#include "methods/training.h"

#include <algorithm>
#include <cmath>

namespace quantbench {

double Schedule::factor(double epoch) const {
  const double at = epoch + first_epoch;
  if (at < warmup_epochs) return at / warmup_epochs;
  switch (kind) {
    case Kind::Constant:
      return 1;
    case Kind::Step: {
      // A milestone takes effect at the start of its epoch; the small slack absorbs step/steps
      // sums.
      const auto passed = std::count_if(milestones.begin(), milestones.end(),
                                        [&](double m) { return at + 1e-9 >= m; });
      return std::pow(gamma, static_cast<double>(passed));
    }
    case Kind::Cosine: {
      const double span = std::max(total_epochs - warmup_epochs, 1e-12);
      const double share = std::clamp((at - warmup_epochs) / span, 0.0, 1.0);
      return 0.5 * (1 + std::cos(3.141592653589793 * share));
    }
  }
  return 1;
}

}  // namespace quantbench
