#include "methods/bsq/precision.h"

#include <algorithm>
#include <cmath>

#include "methods/bsq/kernels.h"

namespace quantbench::bsq {
namespace {

// Every bit that some |code| has set.
uint32_t bits_in_use(const Tensor& codes) {
  const Tensor flat = codes.contiguous();
  const int32_t* code = flat.data_ptr<int32_t>();
  uint32_t used = 0;
  for (int64_t i = 0; i < flat.numel(); ++i) used |= static_cast<uint32_t>(std::abs(code[i]));
  return used;
}

}  // namespace

Tensor sum_of(const BitPlanes& planes) {
  Tensor sum = torch::zeros({planes.positive.size(1)});
  for (int64_t b = 0; b < planes.positive.size(0); ++b) {
    kernels::Plane plane{planes.positive[b].data_ptr<float>(),
                         planes.negative[b].data_ptr<float>()};
    plane.value = std::ldexp(1.0f, static_cast<int>(b));
    kernels::add_plane(plane, sum.data_ptr<float>(), sum.numel());
  }
  return sum;
}

int64_t largest_code(int bits) { return (int64_t{1} << bits) - 1; }

double Magnitudes::step() const {
  return scale / static_cast<double>(std::max<int64_t>(1, largest_code(bits)));
}

Magnitudes magnitudes_of(const Tensor& weight, int bits) {
  const Tensor exact = weight.detach().to(torch::kFloat64).contiguous();
  Magnitudes out;
  out.bits = bits;
  const double largest = exact.numel() > 0 ? exact.abs().max().item<double>() : 0;
  out.scale = largest > 0 ? largest : 1;
  out.codes =
      torch::round(exact / out.scale * static_cast<double>(largest_code(bits))).to(torch::kInt32);
  return out;
}

BitPlanes planes_of(const Magnitudes& weights) {
  const Tensor flat = weights.codes.reshape({-1});
  const Tensor shifts = torch::arange(weights.bits, torch::kInt32).view({-1, 1});
  const auto bits = [&](const Tensor& magnitude) {
    return magnitude.unsqueeze(0).bitwise_right_shift(shifts).bitwise_and(1).to(torch::kFloat32);
  };
  return {bits(flat.clamp_min(0)), bits((-flat).clamp_min(0))};
}

Magnitudes requantize(const BitPlanes& planes, torch::IntArrayRef shape, double scale,
                      bool may_grow) {
  Magnitudes out;
  out.bits = static_cast<int>(planes.positive.size(0));
  out.scale = scale;
  const int64_t largest = largest_code(out.bits);
  Tensor codes = torch::round(sum_of(planes)).reshape(shape);
  const bool beyond = codes.numel() > 0 && codes.abs().max().item<double>() > largest;
  if (beyond && may_grow && out.bits < kMostBits) {
    ++out.bits;
    out.scale *= static_cast<double>(largest_code(out.bits)) / static_cast<double>(largest);
  } else {
    codes = codes.clamp(-largest, largest);
  }
  out.codes = codes.to(torch::kInt32);
  return out;
}

Adjusted drop_empty_planes(const Magnitudes& weights, int least) {
  const uint32_t used = bits_in_use(weights.codes);
  Adjusted out;
  int bits = weights.bits;
  while (bits > least && (used >> (bits - 1)) == 0) --bits, ++out.high;
  while (bits > least && used != 0 && ((used >> out.low) & 1) == 0) --bits, ++out.low;
  out.weights.bits = bits;
  out.weights.codes = torch::div(weights.codes, 1 << out.low, "trunc");
  // The step grows with the planes that went from the bottom; s is that times the largest code.
  out.weights.scale = weights.step() * std::ldexp(1.0, out.low) *
                      static_cast<double>(std::max<int64_t>(1, largest_code(bits)));
  return out;
}

}  // namespace quantbench::bsq
