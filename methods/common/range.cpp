#include "methods/common/range.h"

#include "base/error.h"
#include "methods/common/run_memory.h"

namespace quantbench {
namespace {

// 1/scale and products with it stay finite in float32.
constexpr double kSmallestScale = 1e-30;

Range min_max_on_cpu(const Tensor& x, Granularity granularity) {
  const bool by_channel = granularity == Granularity::Channel;
  const Tensor values = dense(x.detach(), by_channel);
  const Runs runs(values, by_channel ? x.size(0) : 1);
  std::vector<kernels::Extremes> found(static_cast<size_t>(runs.count()));
  runs.for_each([&](int64_t run, int64_t, int64_t first, int64_t count) {
    const ReadRun from(values, first, count);
    found[static_cast<size_t>(run)] = kernels::extremes(from.data(), count, {});
  });

  Range out{granularity, torch::zeros({runs.rows}), torch::zeros({runs.rows})};
  float* low = out.low.data_ptr<float>();
  float* high = out.high.data_ptr<float>();
  for (int64_t run = 0; run < runs.count(); ++run) {
    const kernels::Extremes& e = found[static_cast<size_t>(run)];
    const int64_t row = run / runs.per_row();
    low[row] = std::min(low[row], e.low);
    high[row] = std::max(high[row], e.high);
  }
  return out;
}

}  // namespace

UniformFormat uniform_format(const Range& range, BitWidth bits, Scheme scheme) {
  require(bits.bits() >= 1 && bits.bits() <= 16, "A uniform grid has 1..16 bits, not {}.",
          bits.bits());
  UniformFormat format;
  format.granularity = range.granularity;
  format.bits =
      torch::full({1}, bits.bits(), range.low.options().dtype(torch::kUInt8).requires_grad(false));
  const int64_t top = bits.levels() - 1;

  Tensor width;
  double intervals = 1;
  if (scheme == Scheme::Affine) {
    width = range.high - range.low;
    intervals = static_cast<double>(top);
  } else {
    width = torch::maximum(-range.low, range.high);
    if (bits.bits() > 1) intervals = static_cast<double>(top / 2);
    format.is_signed = format.narrow = bits.bits() > 1;
    format.step = bits.bits() > 1 ? 1 : 2;
  }
  format.scale = torch::where(width > 0, width / intervals, torch::ones_like(width));
  format.scale.clamp_min_(kSmallestScale);

  if (scheme == Scheme::Affine) {
    format.zero_point = torch::round(-range.low / format.scale).clamp_(0, top).to(torch::kInt32);
  } else {
    format.zero_point = torch::full_like(format.scale, format.step - 1, torch::kInt32);
  }
  return format;
}

Range min_max(const Tensor& x, Granularity granularity) {
  require(x.numel() > 0, "There is no range of a tensor without elements.");
  if (x.is_cpu() && (x.scalar_type() == torch::kFloat32 || is_bf16(x)))
    return min_max_on_cpu(x, granularity);
  const Tensor rows = x.detach()
                          .to(torch::kFloat32)
                          .reshape({granularity == Granularity::Channel ? x.size(0) : 1, -1});
  return {granularity, rows.amin(1).clamp_max(0), rows.amax(1).clamp_min(0)};
}

Range mean_magnitude(const Tensor& x, Granularity granularity) {
  require(x.numel() > 0, "There is no range of a tensor without elements.");
  const Tensor rows = x.detach().reshape({granularity == Granularity::Channel ? x.size(0) : 1, -1});
  const Tensor mean = rows.abs().to(torch::kFloat64).mean(1).to(torch::kFloat32);
  return {granularity, -mean, mean};
}

}  // namespace quantbench
