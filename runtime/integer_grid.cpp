#include "runtime/integer_grid.h"

#include <cmath>

namespace quantbench {
namespace {

constexpr double kLargestExact = 1 << 24;  // of the integers that float32 holds
constexpr double kLargestWeight = INT32_MAX;

// The largest |step * code - zero_point|, shape of scale; 0 where there are no bits.
Tensor largest_integers(const UniformFormat& format) {
  const auto at = [&](const Tensor& code) {
    return (code.to(torch::kDouble) * format.step - format.zero_point.to(torch::kDouble)).abs();
  };
  const Tensor largest = torch::maximum(at(lowest_code(format)), at(highest_code(format)));
  return largest * (format.bits > 0).to(torch::kDouble);
}

bool powers_of_two(const Tensor& ratios) {
  const Tensor flat = ratios.contiguous().flatten();
  const double* ratio = flat.data_ptr<double>();
  int exponent = 0;
  for (int64_t i = 0; i < flat.numel(); ++i)
    if (std::frexp(ratio[i], &exponent) != 0.5) return false;
  return true;
}

struct Alignment {
  Tensor base;   // float64: the smallest scale of each row of `scale` [rows, n]
  Tensor ratio;  // float64 [rows, n]: scale / base; 1 where there are no bits
};

// `used` [rows, n] says which scales matter.
std::optional<Alignment> align(const Tensor& scale, const Tensor& used) {
  const Tensor real = scale.to(torch::kDouble);
  const Tensor smallest = torch::where(used, real, torch::full_like(real, INFINITY)).amin(1);
  const Tensor base = torch::where(torch::isinf(smallest), torch::ones_like(smallest), smallest);
  const Tensor ratio = torch::where(used, real / base.unsqueeze(1), torch::ones_like(real));
  if (!powers_of_two(ratio)) return std::nullopt;
  return Alignment{base, ratio};
}

}  // namespace

std::optional<IntegerGrid> IntegerGrid::of(const UniformFormat& format) {
  if (format.granularity == Granularity::Channel && format.scale.numel() > 1) return std::nullopt;
  const Tensor used = (format.bits > 0).expand_as(format.scale);
  const auto alignment = align(format.scale.reshape({1, -1}), used.reshape({1, -1}));
  if (!alignment) return std::nullopt;
  const Tensor ratio = alignment->ratio.view(format.scale.sizes());
  const double largest = (largest_integers(format) * ratio).max().item<double>();
  if (largest > kLargestExact) return std::nullopt;

  IntegerGrid grid(format);
  grid.scale_ = static_cast<float>(alignment->base.item<double>());
  grid.largest_ = static_cast<int64_t>(largest);
  if ((ratio != 1).any().item<bool>()) grid.multiplier_ = ratio.to(torch::kFloat);
  return grid;
}

Tensor IntegerGrid::place(const Tensor& x) const {
  const Tensor integer = integers(format_, quantize(format_, x)).to(torch::kFloat);
  return multiplier_.defined() ? integer * multiplier_ : integer;
}

std::optional<IntegerWeight> integer_weight(const UniformEncoding& encoding) {
  const UniformFormat& format = encoding.format;
  const Tensor integer = integers(format, encoding.codes);
  const int64_t out = integer.size(0);
  const auto by_row = [&](const Tensor& t) {
    return t.numel() == 1 ? t.reshape({1, 1}).expand({out, 1}) : t.reshape({out, -1});
  };
  const auto alignment =
      align(by_row(format.scale), by_row((format.bits > 0).expand_as(format.scale)));
  if (!alignment) return std::nullopt;
  const Tensor aligned = integer.flatten(1).to(torch::kDouble) * alignment->ratio;
  const Tensor magnitude = aligned.abs();
  if (magnitude.max().item<double>() > kLargestWeight) return std::nullopt;
  return IntegerWeight{aligned.to(torch::kInt).view(integer.sizes()),
                       alignment->base.to(torch::kFloat), magnitude.max().item<int64_t>(),
                       magnitude.sum(1).max().item<int64_t>()};
}

}  // namespace quantbench
