#include "methods/training.h"

#include <algorithm>
#include <cmath>

namespace quantbench {
namespace {

constexpr double kPi = 3.141592653589793;

}  // namespace

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
      return 0.5 * (1 + std::cos(kPi * share));
    }
    case Kind::CosineRestarts: {
      const double cycle = std::floor((at - warmup_epochs) / cycle_epochs);
      const double within = at - warmup_epochs - cycle * cycle_epochs;
      const double share = std::min(1.0, within / std::max(cycle_epochs - cycle_hold, 1e-12));
      const double height = std::pow(cycle_decay, cycle);
      return (1 - floor) * 0.5 * height * (1 + std::cos(kPi * share)) + floor;
    }
  }
  return 1;
}

}  // namespace quantbench
