// Dropout (Srivastava et al. 2014) from a counter-based generator: several times faster than
// drawing numbers one after the other, nothing is kept for the backward pass, and the result does
// not depend on the number of threads.
#pragma once

#include "base/torch.h"

namespace quantbench {

// x float; each element 0 with probability p (0 <= p < 1, to within 2^-32), else x / (1 - p).
// Draws one number from LibTorch's default generator, whose state checkpoints hold.
// Differentiable any number of times.
Tensor dropout(const Tensor& x, double p);

}  // namespace quantbench
