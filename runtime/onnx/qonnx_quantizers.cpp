// Formats as nodes of QONNX's domain. IntQuant(x, scale, zero point, bits) is
// (clamp(round(x / scale + zero point)) - zero point) * scale; BipolarQuant(x, scale) is scale
// where x >= 0, else -scale.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "runtime/onnx/lowering.h"
#include "runtime/plan_grid.h"

namespace quantbench {
namespace {

constexpr const char* kDomain = "qonnx.custom_op.general";

// One of a format's tensors, of as many dimensions as what it broadcasts to.
Tensor spread_over(const Tensor& t, int64_t dimensions) {
  if (t.numel() == 1) return t.reshape({});
  std::vector<int64_t> shape(static_cast<size_t>(dimensions), 1);
  if (t.dim() == 1 && dimensions != 1) {
    shape[0] = t.numel();
    return t.reshape(shape);
  }
  const auto first = static_cast<size_t>(dimensions - t.dim());
  for (int64_t i = 0; i < t.dim(); ++i) shape[first + static_cast<size_t>(i)] = t.size(i);
  return t.reshape(shape);
}

std::set<int64_t> widths(const Tensor& bits) {
  const Tensor flat = bits.flatten().contiguous();
  const uint8_t* b = flat.data_ptr<uint8_t>();
  return {b, b + flat.numel()};
}

}  // namespace

std::string Lowering::bipolar_quant(const std::string& x, const std::string& scale,
                                    const std::string& wish) {
  return writer_.node("BipolarQuant", {x, scale}, wish, {}, kDomain);
}

std::string Lowering::int_quant(const std::string& x, const UniformFormat& format,
                                const Tensor& scale, const Tensor& zero_point, int64_t bits,
                                const std::string& wish) {
  // A grid of step 2 is one of twice the scale and half the zero point.
  const float steps = static_cast<float>(format.step);
  const Tensor by = scale.to(torch::kFloat) * steps;
  const Tensor at = zero_point.to(torch::kFloat) / steps;
  if (bits == 1 && format.step == 2 && (zero_point == 1).all().item<bool>() && !format.is_signed)
    return bipolar_quant(x, writer_.constant(wish + ".scale", scale.to(torch::kFloat)), wish);
  std::string from = x;
  std::string rounding = format.rounding == Rounding::HalfEven ? "ROUND" : "FLOOR";
  if (format.rounding == Rounding::HalfUp)
    from = writer_.node("Add", {x, writer_.constant(wish + ".half_step", by * 0.5f)},
                        wish + ".half_up");
  return writer_.node(
      "IntQuant",
      {from, writer_.constant(wish + ".scale", by), writer_.constant(wish + ".zero_point", at),
       writer_.scalar("bits", static_cast<float>(bits))},
      wish,
      {{"signed", int64_t{format.is_signed}},
       {"narrow", int64_t{format.narrow}},
       {"rounding_mode", rounding}},
      kDomain);
}

std::string Lowering::qonnx_weight(const Encoding& encoding, const std::string& wish) {
  if (auto* uniform = std::get_if<UniformEncoding>(&encoding)) {
    const UniformFormat& format = uniform->format;
    const Tensor real = decode(encoding);
    const int64_t dimensions = real.dim();
    const Tensor bits = spread_over(format.bits, dimensions);
    const Tensor scale = spread_over(format.scale, dimensions);
    const Tensor zero_point = spread_over(format.zero_point, dimensions);
    // A weight has been rounded: what it is rounded by again cannot matter, but for the ties that
    // adding half a step would make.
    UniformFormat again = format;
    again.rounding = Rounding::HalfEven;
    std::string sum;
    for (int64_t width : widths(bits)) {
      if (width == 0) continue;
      const Tensor mine = (bits == width).expand(real.sizes());
      const Tensor part = torch::where(mine, real, torch::zeros_like(real));
      const std::string made = int_quant(writer_.constant(wish, part), again, scale, zero_point,
                                         width, fmt::format("{}.int{}", wish, width));
      if (sum.empty()) {
        sum = made;
        continue;
      }
      sum = writer_.node("Add", {sum, made}, wish + ".widths");
    }
    return sum.empty() ? writer_.constant(wish, torch::zeros_like(real)) : sum;
  }
  if (auto* codebook = std::get_if<CodebookEncoding>(&encoding)) {
    const Tensor& levels = codebook->format.levels;
    Tensor codes = codebook->codes.to(torch::kLong);
    if (levels.dim() == 2) {
      // One table after the other.
      std::vector<int64_t> shape(static_cast<size_t>(codes.dim()), 1);
      shape[0] = levels.size(0);
      codes = codes + (torch::arange(levels.size(0)) * levels.size(1)).reshape(shape);
    }
    return writer_.node("Gather",
                        {writer_.constant(wish + ".levels", levels.flatten()),
                         writer_.constant(wish + ".codes", codes)},
                        wish, {{"axis", int64_t{0}}});
  }
  const auto* planes = std::get_if<MultiBitEncoding>(&encoding);
  if (!planes) return writer_.constant(wish, decode(encoding));

  // The i-th basis of every group as one tensor of signs, [groups, length], and its coefficients;
  // groups with fewer bases have the coefficient 0.
  const Tensor counts = planes->counts.to(torch::kLong);
  const int64_t groups = counts.numel(), length = planes->signs.size(1);
  const Tensor first = torch::cumsum(counts, 0) - counts;
  const std::vector<int64_t>& shape = planes->shape;
  const bool by_pixel = planes->grouping == Grouping::Pixel;
  const auto bases = counts.numel() == 0 ? 0 : counts.max().item<int64_t>();
  std::string sum;
  for (int64_t i = 0; i < bases; ++i) {
    const Tensor has = counts > i;
    const Tensor at = torch::where(has, first + i, torch::zeros_like(first));
    const Tensor signs = planes->signs.index_select(0, at).to(torch::kFloat) * 2 - 1;
    const Tensor coefficients =
        torch::where(has, planes->coefficients.index_select(0, at), torch::zeros({1}));
    const std::string plane =
        bipolar_quant(writer_.constant(wish + ".signs", signs), writer_.scalar("one", 1),
                      fmt::format("{}.basis{}", wish, i + 1));
    const std::string made = writer_.node(
        "Mul", {plane, writer_.constant(wish + ".coefficients", coefficients.reshape({groups, 1}))},
        fmt::format("{}.product{}", wish, i + 1));
    sum = sum.empty() ? made : writer_.node("Add", {sum, made}, wish + ".bases");
  }
  if (sum.empty()) return writer_.constant(wish, torch::zeros(shape));
  (void)length;
  const auto reshaped = [&](const std::vector<int64_t>& to, const std::string& name) {
    return writer_.node("Reshape", {sum, writer_.constant(wish + ".shape", torch::tensor(to))},
                        name);
  };
  if (!by_pixel) return reshaped(shape, wish);
  sum = reshaped({shape[0], shape[2], shape[3], shape[1]}, wish + ".pixels");
  return writer_.node("Transpose", {sum}, wish, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
}

std::string Lowering::qonnx_activation(const std::string& x, const Format& format, int v,
                                       const std::string& wish) {
  if (std::holds_alternative<FloatFormat>(format)) return x;
  const auto* uniform = std::get_if<UniformFormat>(&format);
  const bool wraps = uniform && uniform->overflow == Overflow::Wrap;
  if (!uniform || wraps) {
    // Codebooks by their thresholds, and overflow modulo 2^bits: in ONNX's own operators.
    const PlannedFormat how = planned(format, "Value " + wish);
    std::string u = x;
    if (how.factor != 1)
      u = writer_.node("Mul", {u, writer_.scalar(wish + ".factor", static_cast<float>(how.factor))},
                       wish + ".steps");
    if (how.shift != 0)
      u = writer_.node("Add", {u, writer_.scalar(wish + ".shift", static_cast<float>(how.shift))},
                       wish + ".steps");
    const std::string out = quantized(u, how.quantization, false, wish);
    if (!how.grid) return out;
    return writer_.node("Mul", {out, writer_.scalar(wish + ".scale", how.grid->scale)},
                        wish + ".real");
  }
  const auto dimensions = static_cast<int64_t>(value(v).shape.size()) + 1;
  const auto spread = [&](const Tensor& t) {
    if (t.numel() == 1) return t.reshape({});
    std::vector<int64_t> shape(static_cast<size_t>(dimensions), 1);
    const auto first = static_cast<size_t>(dimensions - t.dim());
    for (int64_t i = 0; i < t.dim(); ++i) shape[first + static_cast<size_t>(i)] = t.size(i);
    return t.reshape(shape);
  };
  const Tensor bits = spread(uniform->bits), scale = spread(uniform->scale);
  const Tensor zero_point = spread(uniform->zero_point);
  const std::set<int64_t> all = widths(bits);
  if (all.size() == 1 && *all.begin() > 0)
    return int_quant(x, *uniform, scale, zero_point, *all.begin(), wish + ".quant");
  std::string sum;
  for (int64_t width : all) {
    if (width == 0) continue;
    const std::string mask = writer_.constant(wish + ".mask", (bits == width).to(torch::kFloat));
    const std::string part = writer_.node("Mul", {x, mask}, fmt::format("{}.of{}", wish, width));
    const std::string made =
        int_quant(part, *uniform, scale, zero_point, width, fmt::format("{}.int{}", wish, width));
    sum = sum.empty() ? made : writer_.node("Add", {sum, made}, wish + ".widths");
  }
  return sum.empty() ? writer_.node("Mul", {x, writer_.scalar("zero", 0)}, wish + ".pruned") : sum;
}

}  // namespace quantbench
