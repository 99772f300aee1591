// What functions with a gradient of their own share.
#pragma once

#include "base/error.h"
#include "base/torch.h"

namespace quantbench {

// To be called in a backward pass whose gradient cannot be differentiated again. Throws Error when
// that is what is asked for.
inline void refuse_second_derivative() {
  require(!torch::GradMode::is_enabled(),
          "A quantizer has no second derivative: take it without taps (Network::enable_taps).");
}

// The gradient in the type and memory layout of `x`: kernels walk both in step.
inline Tensor laid_out_as(const Tensor& x, const Tensor& gradient) {
  if (gradient.strides() == x.strides() && gradient.scalar_type() == x.scalar_type())
    return gradient;
  return torch::empty_like(x).copy_(gradient);
}

}  // namespace quantbench
