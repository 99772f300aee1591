#include "methods/common/kernel_grids.h"

#include "base/error.h"

namespace quantbench {

std::vector<kernels::Grid> kernel_grids(const UniformFormat& format) {
  const int64_t count = format.scale.numel();
  require(format.zero_point.numel() == count, "A format has {} scales and {} zero points.", count,
          format.zero_point.numel());
  const auto here = [](const Tensor& t) { return t.to(torch::kCPU).contiguous(); };
  const Tensor scale = here(format.scale), zero_point = here(format.zero_point);
  const Tensor low = here(lowest_code(format)), high = here(highest_code(format));
  const bool one_width = low.numel() == 1;
  std::vector<kernels::Grid> grids(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    kernels::Grid& grid = grids[static_cast<size_t>(i)];
    grid.scale = scale.data_ptr<float>()[i];
    grid.inverse = 1.0f / grid.scale;
    grid.zero_point = static_cast<float>(zero_point.data_ptr<int32_t>()[i]);
    grid.step = static_cast<float>(format.step);
    grid.low = static_cast<float>(low.data_ptr<int32_t>()[one_width ? 0 : i]);
    grid.high = static_cast<float>(high.data_ptr<int32_t>()[one_width ? 0 : i]);
    (format.step == 1 ? grid.offset : grid.shift) = grid.zero_point;
    grid.factor = format.step == 1 ? 1.0f : 0.5f;
  }
  return grids;
}

}  // namespace quantbench
