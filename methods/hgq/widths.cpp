#include "methods/hgq/widths.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "methods/hgq/fixed_point.h"

namespace quantbench::hgq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr double kMostIntegerBits = 32;

// floor(log2 |x|) + 1, for x != 0.
Tensor bits_above_point(const Tensor& x) {
  return std::get<1>(torch::frexp(x)).to(torch::kFloat32);
}

// One pass instead of a dozen small operations, which is what a training step of a small network is
// made of.
bool walkable(const std::vector<Tensor>& tensors) {
  for (const Tensor& t : tensors)
    if (!t.is_cpu() || !t.is_contiguous() || t.sizes() != tensors.front().sizes()) return false;
  return true;
}

// max(0, floor(log2 magnitude) + 1 + bits), 0 for 0; `magnitude` as float32 holds it, no denormal.
float estimate(float magnitude, float bits) {
  uint32_t pattern = 0;
  std::memcpy(&pattern, &magnitude, sizeof(pattern));
  const float above = static_cast<float>(static_cast<int>(pattern >> 23) - 126);
  return magnitude > 0 ? std::max(0.0f, above + bits) : 0.0f;
}

// ceil(log2 x), for x > 0.
Tensor ceil_log2(const Tensor& x) {
  const auto [mantissa, exponent] = torch::frexp(x);
  return exponent.to(torch::kFloat64) - (mantissa == 0.5).to(torch::kFloat64);
}

// (f, widths) -> widths.
struct WithGradient : Function<WithGradient> {
  static Tensor forward(AutogradContext* context, const Tensor& f, const Tensor& widths,
                        double share) {
    context->save_for_backward({widths});
    context->saved_data["shape"] = f.sizes();
    context->saved_data["share"] = share;
    return widths.clone();
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor widths = context->get_saved_variables()[0];
    const Tensor g = gradients[0] * (widths > 0) * context->saved_data["share"].toDouble();
    return {reduce_to(g, context->saved_data["shape"].toIntVector(), Reduction::Sum), {}, {}};
  }
};

// Calls of(mantissa, exponent) with |x| = mantissa * 2^exponent, mantissa odd (0 for 0).
template <typename Of>
Tensor by_odd_mantissa(const Tensor& quantized, const Of& of) {
  const Tensor x = quantized.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  Tensor out = torch::zeros_like(x);
  const float* from = x.data_ptr<float>();
  float* to = out.data_ptr<float>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    int exponent = 0;
    auto mantissa = static_cast<int64_t>(std::ldexp(std::frexp(std::fabs(from[i]), &exponent), 24));
    if (mantissa == 0) continue;
    exponent -= 24;
    for (; mantissa % 2 == 0; mantissa /= 2) ++exponent;
    to[i] = of(mantissa, exponent);
  }
  return out.to(quantized.device());
}

}  // namespace

Tensor estimated_range_bits(const Tensor& low, const Tensor& high, const Tensor& fraction) {
  if (walkable({low, high, fraction})) {
    Tensor out = torch::empty_like(low);
    const float *least = low.data_ptr<float>(), *most = high.data_ptr<float>();
    const float* bits = fraction.data_ptr<float>();
    for (int64_t i = 0; i < low.numel(); ++i) {
      const float largest = std::max(std::fabs(least[i]), std::fabs(most[i]));
      const float sign = least[i] < 0 ? 1.0f : 0.0f;
      out.data_ptr<float>()[i] = estimate(largest, bits[i] + sign);
    }
    return out;
  }
  const Tensor largest = torch::maximum(low.abs(), high.abs());
  const Tensor bits = bits_above_point(largest) + fraction + (low < 0).to(torch::kFloat32);
  return bits.clamp_min(0) * (largest > 0);
}

Tensor estimated_weight_bits(const Tensor& quantized, const Tensor& fraction) {
  if (walkable({quantized, fraction})) {
    Tensor out = torch::empty_like(quantized);
    const float *value = quantized.data_ptr<float>(), *bits = fraction.data_ptr<float>();
    float* to = out.data_ptr<float>();
    for (int64_t i = 0; i < quantized.numel(); ++i) to[i] = estimate(std::fabs(value[i]), bits[i]);
    return out;
  }
  return (bits_above_point(quantized) + fraction).clamp_min(0) * (quantized != 0);
}

Tensor with_gradient(const Tensor& widths, const Tensor& f, double share) {
  return WithGradient::apply(f, widths, share);
}

FixedPointType exact_type(const Tensor& low, const Tensor& high, const Tensor& fraction) {
  const Tensor least = low.to(torch::kFloat64), most = high.to(torch::kFloat64);
  const Tensor bits = fraction.to(torch::kFloat64);
  const Tensor sign = (least < 0).to(torch::kFloat64);
  const Tensor none = torch::full_like(most, -INFINITY);
  const Tensor for_low = torch::where(least < 0, ceil_log2(least.abs()), none);
  const Tensor for_high = torch::where(most > 0, ceil_log2(most + torch::exp2(-bits)), none);
  Tensor integer = torch::maximum(for_low, for_high);
  integer = torch::maximum(integer, -bits - sign).clamp_max(kMostIntegerBits);
  const auto real = [](const Tensor& t) { return t.to(torch::kFloat32); };
  return {real(sign), real(integer), real(sign + integer + bits)};
}

Tensor enclosed_bits(const Tensor& quantized) {
  return by_odd_mantissa(quantized, [](int64_t mantissa, int) {
    int bits = 0;
    for (; mantissa > 0; mantissa /= 2) ++bits;
    return static_cast<float>(bits);
  });
}

Tensor lowest_exponent(const Tensor& quantized) {
  return by_odd_mantissa(quantized,
                         [](int64_t, int exponent) { return static_cast<float>(exponent); });
}

}  // namespace quantbench::hgq
