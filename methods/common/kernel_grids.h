// A uniform format as the kernels take it.
#pragma once

#include <vector>

#include "methods/common/kernels.h"
#include "methods/encoding.h"

namespace quantbench {

// One grid for each scale of a saturating, half-even format. Throws Error when it does not have a
// zero point for each of them.
std::vector<kernels::Grid> kernel_grids(const UniformFormat& format);

}  // namespace quantbench
