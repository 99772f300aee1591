#include "methods/encoding.h"

#include <ATen/Parallel.h>

#include "base/error.h"

namespace quantbench {
namespace {

Tensor round(Rounding mode, const Tensor& v) {
  if (mode == Rounding::HalfEven) return torch::round(v);
  const Tensor floor = torch::floor(v);
  // Not floor(v + 0.5): that sum rounds, and 0.49999997 would become 1.
  return mode == Rounding::Floor ? floor : floor + (v - floor >= 0.5).to(v.scalar_type());
}

// The codes 2^bits apart are one: fixed-point hardware drops the high bits. Float64 holds every
// float32 exactly, and dividing by a power of two is exact.
Tensor wrap(const Tensor& codes, const Tensor& low, const Tensor& bits) {
  const Tensor wide = codes.to(torch::kFloat64);
  const Tensor period = torch::exp2(bits.to(torch::kFloat64));
  return wide - period * torch::floor((wide - low) / period);
}

Tensor code_limit(const UniformFormat& format, bool highest) {
  const Tensor bits = format.bits.to(torch::kInt32);
  const Tensor levels = torch::ones_like(bits).bitwise_left_shift(bits);
  if (!format.is_signed) return highest ? levels - 1 : torch::zeros_like(bits);
  const Tensor half = torch::div(levels, 2, "floor");
  if (highest) return (half - 1).clamp_min(0);
  return (format.narrow ? 1 - half : -half).clamp_max(0);
}

Tensor decode_multi_bit(const MultiBitEncoding& encoding) {
  const Tensor counts = encoding.counts.cpu().contiguous();
  const Tensor coefficients = encoding.coefficients.cpu().contiguous();
  const Tensor signs = encoding.signs.cpu().contiguous();
  const int64_t groups = counts.numel();
  const int64_t length = signs.size(1);
  const uint8_t* count = counts.data_ptr<uint8_t>();
  std::vector<int64_t> first(groups + 1, 0);
  // Not partial_sum, which adds in the type of the counts: a byte.
  for (int64_t g = 0; g < groups; ++g) first[g + 1] = first[g] + count[g];

  Tensor out = torch::zeros({groups, length}, torch::kFloat32);
  at::parallel_for(0, groups, 64, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      float* w = out.data_ptr<float>() + g * length;
      for (int64_t i = first[g]; i < first[g + 1]; ++i) {
        const float c = coefficients.data_ptr<float>()[i];
        const bool* sign = signs.data_ptr<bool>() + i * length;
        for (int64_t j = 0; j < length; ++j) w[j] += sign[j] ? c : -c;
      }
    }
  });

  const std::vector<int64_t>& shape = encoding.shape;
  if (encoding.grouping != Grouping::Pixel || shape.size() != 4) return out.view(shape);
  return out.view({shape[0], shape[2], shape[3], shape[1]}).permute({0, 3, 1, 2}).contiguous();
}

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Tensor lowest_code(const UniformFormat& format) { return code_limit(format, false); }
Tensor highest_code(const UniformFormat& format) { return code_limit(format, true); }

Tensor align(const UniformFormat& format, const Tensor& parameter, const Tensor& x) {
  const Tensor moved = parameter.to(x.device());
  if (format.granularity != Granularity::Channel || parameter.numel() == 1) return moved;
  require(x.dim() > 0 && x.size(0) == parameter.numel(),
          "A format of {} channels does not fit a tensor whose first dimension is {}.",
          parameter.numel(), x.dim() ? x.size(0) : 0);
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = parameter.numel();
  return moved.view(shape);
}

Tensor quantize(const UniformFormat& format, const Tensor& x) {
  const Tensor real = x.detach().to(torch::kFloat32);
  const Tensor zero_point = align(format, format.zero_point, real).to(torch::kFloat32);
  const Tensor low = align(format, lowest_code(format), real);
  const Tensor high = align(format, highest_code(format), real);
  const Tensor v = real * align(format, format.scale, real).reciprocal();
  Tensor q = format.step == 1 ? round(format.rounding, v) + zero_point
                              : round(format.rounding, (v + zero_point) * 0.5);
  if (format.overflow == Overflow::Wrap) q = wrap(q, low, align(format, format.bits, real));
  q = torch::minimum(torch::maximum(q, low.to(q.scalar_type())), high.to(q.scalar_type()));
  // NaN has no code; the one nearest to zero is as good as any, and a defined one.
  const Tensor zero =
      torch::minimum(torch::maximum(torch::floor(zero_point / format.step), low), high)
          .to(q.dtype());
  return torch::where(torch::isnan(q), zero, q).to(torch::kInt32);
}

Tensor integers(const UniformFormat& format, const Tensor& codes) {
  return codes * format.step - align(format, format.zero_point, codes);
}

Tensor dequantize(const UniformFormat& format, const Tensor& codes) {
  return integers(format, codes).to(torch::kFloat32) * align(format, format.scale, codes);
}

Tensor quantize(const CodebookFormat& format, const Tensor& x) {
  require(format.thresholds.defined(),
          "A codebook without thresholds cannot quantize activations.");
  return torch::bucketize(x.detach().to(torch::kFloat32).contiguous(),
                          format.thresholds.to(x.device()), /*out_int32=*/true);
}

Tensor dequantize(const CodebookFormat& format, const Tensor& codes) {
  const Tensor levels = format.levels.to(codes.device());
  const Tensor index = codes.to(torch::kInt64);
  if (levels.dim() == 1) return levels.index_select(0, index.flatten()).view(codes.sizes());
  require(codes.dim() > 0 && codes.size(0) == levels.size(0),
          "A codebook of {} channels does not fit codes whose first dimension is {}.",
          levels.size(0), codes.dim() ? codes.size(0) : 0);
  return levels.gather(1, index.flatten(1)).view(codes.sizes());
}

Tensor apply(const Format& format, const Tensor& x) {
  return std::visit(
      [&](const auto& f) -> Tensor {
        if constexpr (std::is_same_v<std::decay_t<decltype(f)>, FloatFormat>) {
          return x;
        } else {
          return torch::where(torch::isnan(x), x, dequantize(f, quantize(f, x)));
        }
      },
      format);
}

Tensor decode(const Encoding& encoding) {
  return std::visit(Overloaded{
                        [](const FloatEncoding& e) { return e.value; },
                        [](const UniformEncoding& e) { return dequantize(e.format, e.codes); },
                        [](const CodebookEncoding& e) { return dequantize(e.format, e.codes); },
                        [](const MultiBitEncoding& e) { return decode_multi_bit(e); },
                    },
                    encoding);
}

int64_t code_bits(const Encoding& encoding) {
  return std::visit(
      Overloaded{
          [](const FloatEncoding& e) { return 32 * e.value.numel(); },
          [](const UniformEncoding& e) {
            const int64_t of_each_bits = e.codes.numel() / e.format.bits.numel();
            return e.format.bits.to(torch::kInt64).sum().item<int64_t>() * of_each_bits;
          },
          [](const CodebookEncoding& e) { return e.format.bits.bits() * e.codes.numel(); },
          [](const MultiBitEncoding& e) { return e.signs.numel(); },
      },
      encoding);
}

double mean_bits(const Format& format) {
  return std::visit(
      Overloaded{
          [](const FloatFormat&) { return 32.0; },
          [](const UniformFormat& f) { return f.bits.to(torch::kFloat64).mean().item<double>(); },
          [](const CodebookFormat& f) { return static_cast<double>(f.bits.bits()); },
      },
      format);
}

}  // namespace quantbench
