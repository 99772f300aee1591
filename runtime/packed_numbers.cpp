#include "runtime/packed_numbers.h"

#include <algorithm>
#include <cmath>

namespace quantbench {
namespace {

int bit_length(int64_t number) {
  int bits = 0;
  for (; number > 0; number /= 2) ++bits;
  return bits;
}

}  // namespace

PackedNumbers PackedNumbers::of(const Tensor& numbers) {
  if (numbers.numel() == 0) return {};
  const auto low = numbers.min().item<int64_t>(), high = numbers.max().item<int64_t>();
  return {static_cast<int>(low), bit_length(high - low)};
}

PackedLayout PackedNumbers::layout() const {
  return {torch::full({1}, bits, torch::kByte), torch::full({1}, lowest, torch::kInt)};
}

PackedNumbers packed_widths(const UniformFormat& format) {
  return {0, std::max(1, bit_length(format.bits.max().item<int64_t>()))};
}

std::optional<Tensor> exponents_of(const UniformFormat& format) {
  if (format.bits.numel() < 2) return std::nullopt;
  const Tensor used = format.bits > 0;
  if ((format.scale.masked_select(used.logical_not()) != 1).any().item<bool>()) return std::nullopt;
  const Tensor scales = format.scale.masked_select(used).contiguous();
  Tensor out = torch::empty({scales.numel()}, torch::kInt);
  for (int64_t i = 0; i < scales.numel(); ++i) {
    int exponent = 0;
    if (std::frexp(scales.data_ptr<float>()[i], &exponent) != 0.5f) return std::nullopt;
    out.data_ptr<int32_t>()[i] = exponent - 1;
  }
  return out;
}

Tensor scales_of(const Tensor& exponents, const Tensor& widths) {
  Tensor out = torch::ones_like(widths, torch::kFloat);
  float* scale = out.data_ptr<float>();
  const uint8_t* width = widths.data_ptr<uint8_t>();
  const int32_t* exponent = exponents.data_ptr<int32_t>();
  for (int64_t i = 0; i < widths.numel(); ++i)
    if (width[i] > 0) scale[i] = std::ldexp(1.0f, *exponent++);
  return out;
}

}  // namespace quantbench
