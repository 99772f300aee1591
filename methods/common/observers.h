// Observers: they look at calibration batches and say which range a grid should cover.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "methods/common/range.h"

namespace quantbench {

class Observer {
 public:
  virtual ~Observer() = default;

  // `x`: float tensor, dimension 0 the channel when the granularity is Channel. Throws Error on a
  // value that is not finite.
  virtual void update(const Tensor& x) = 0;

  // The range so far, on the CPU. Throws Error before the first update.
  virtual Range range() const = 0;
};

struct ObserverConfig {
  // "minmax":     all values seen.
  // "percentile": both tails cut where the share `percentile` (in percent) of all values is within.
  // "mse":        min-max shrunk by the factor that gives the least mean squared error of a grid of
  //               `bits` under `scheme`.
  // "ema":        exponential moving average of each batch's min-max.
  std::string kind = "minmax";
  Granularity granularity = Granularity::Tensor;
  double percentile = 99.99;
  double momentum = 0.1;  // of "ema": share of the new batch
  BitWidth bits{8};
  Scheme scheme = Scheme::Affine;
};

// The kinds that make_observer() knows: the choices of a method's option.
const std::vector<std::string>& observer_kinds();
std::unique_ptr<Observer> make_observer(const ObserverConfig& config);

}  // namespace quantbench
