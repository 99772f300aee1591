#include "runtime/plan_grid.h"

#include <algorithm>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr double kLargestExact = 1 << 24;  // of the integers that float32 holds
constexpr double kLargestWeight = INT32_MAX;
constexpr int64_t kLargestLevel = 1 << 15;
constexpr int kMostParts = 64;  // in which the smallest level is cut to find a common scale

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

bool same_everywhere(const Tensor& t) { return (t == t.flatten()[0]).all().item<bool>(); }

int64_t first(const Tensor& t) { return t.flatten()[0].item<int64_t>(); }

PlannedFormat planned_tensor(const UniformFormat& f) {
  PlannedFormat out;
  Quantization& q = out.quantization;
  ValueGrid grid;
  const int64_t low = first(lowest_code(f)), high = first(highest_code(f));
  const int64_t zero_point = first(f.zero_point);
  const double scale = f.scale.item<float>();
  grid.scale = f.scale.item<float>();
  grid.codes = {true, low, high, zero_point, f.step};
  q.step = f.step;
  if (f.step == 1) {
    q.low = low - zero_point;
    q.high = high - zero_point;
    out.factor = 1 / scale;
  } else {
    q.low = low;
    q.high = high;
    q.offset = zero_point;
    out.factor = 0.5 / scale;
    out.shift = 0.5 * static_cast<double>(zero_point);
  }
  grid.low = std::min<int64_t>(f.step * low - zero_point, 0);
  grid.high = std::max<int64_t>(f.step * high - zero_point, 0);
  out.grid = grid;
  return out;
}

PlannedFormat planned_elements(const UniformFormat& f, const std::string& what) {
  require(f.step == 1, "{}: a grid of step 2 has one scale and one zero point here.", what);
  PlannedFormat out;
  Quantization& q = out.quantization;
  const auto sizes = f.scale.sizes();
  const Tensor used = (f.bits > 0).expand(sizes);
  q.lows = torch::where(used, lowest_code(f) - f.zero_point, torch::zeros(1, torch::kInt))
               .to(torch::kInt)
               .contiguous();
  q.highs = torch::where(used, highest_code(f) - f.zero_point, torch::zeros(1, torch::kInt))
                .to(torch::kInt)
                .contiguous();
  if (const auto alignment = align(f.scale.reshape({1, -1}), used.reshape({1, -1}))) {
    const Tensor ratio = alignment->ratio.view(sizes);
    const double low = (q.lows * ratio).min().item<double>();
    const double high = (q.highs * ratio).max().item<double>();
    if (std::max(-low, high) <= kLargestExact) {
      ValueGrid grid;
      grid.scale = static_cast<float>(alignment->base.item<double>());
      grid.low = std::min<int64_t>(static_cast<int64_t>(low), 0);
      grid.high = std::max<int64_t>(static_cast<int64_t>(high), 0);
      out.grid = grid;
      out.factor = 1 / alignment->base.item<double>();
      q.inverse = ratio.reciprocal().to(torch::kFloat).contiguous();
      q.unit = ratio.to(torch::kFloat).contiguous();
      return out;
    }
  }
  q.inverse = f.scale.reciprocal().contiguous();
  q.unit = f.scale.contiguous();
  return out;
}

PlannedFormat planned_uniform(const UniformFormat& f, const std::string& what) {
  const bool one = f.scale.numel() == 1 || (same_everywhere(f.scale) && same_everywhere(f.bits) &&
                                            same_everywhere(f.zero_point));
  PlannedFormat out;
  if (one) {
    UniformFormat same = f;
    same.scale = f.scale.flatten().narrow(0, 0, 1);
    same.bits = f.bits.flatten().narrow(0, 0, 1);
    same.zero_point = f.zero_point.flatten().narrow(0, 0, 1);
    out = planned_tensor(same);
  } else {
    out = planned_elements(f, what);
  }
  out.quantization.rounding = f.rounding;
  out.quantization.overflow = f.overflow;
  return out;
}

PlannedFormat planned_codebook(const CodebookFormat& f) {
  PlannedFormat out;
  Quantization& q = out.quantization;
  q.thresholds = f.thresholds.contiguous();
  q.levels = f.levels.contiguous();
  if (const auto integer = integer_levels(f.levels)) {
    q.levels = integer->integers;
    ValueGrid grid;
    grid.scale = integer->scale;
    grid.levels = integer->integers;
    grid.low = std::min<int64_t>(first(integer->integers.min()), 0);
    grid.high = std::max<int64_t>(first(integer->integers.max()), 0);
    out.grid = grid;
  }
  return out;
}

double rounded(Rounding rounding, double v) {
  if (rounding == Rounding::HalfEven) return std::nearbyint(v);
  const double floor = std::floor(v);
  return rounding == Rounding::Floor ? floor : floor + (v - floor >= 0.5 ? 1 : 0);
}

// `row` float64 [L] in multiples of `scale`, if each is one exactly.
std::optional<Tensor> multiples(const Tensor& levels, float scale) {
  const Tensor n = torch::round(levels.to(torch::kDouble) / static_cast<double>(scale));
  if ((n.abs() > kLargestLevel).any().item<bool>()) return std::nullopt;
  if (!torch::equal(n.to(torch::kFloat) * scale, levels)) return std::nullopt;
  return n.to(torch::kInt);
}

std::optional<IntegerWeights> of_uniform(const UniformEncoding& encoding) {
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
  if (aligned.abs().max().item<double>() > kLargestWeight) return std::nullopt;
  return IntegerWeights{aligned.to(torch::kInt).view(integer.sizes()).contiguous(),
                        alignment->base.to(torch::kFloat)};
}

std::optional<IntegerWeights> of_codebook(const CodebookEncoding& encoding) {
  const Tensor levels = encoding.format.levels;
  const int64_t out = encoding.codes.size(0);
  if (levels.dim() == 1) {
    const auto integer = integer_levels(levels);
    if (!integer) return std::nullopt;
    return IntegerWeights{
        integer->integers.index_select(0, encoding.codes.flatten()).view(encoding.codes.sizes()),
        torch::full({out}, integer->scale)};
  }
  IntegerWeights weights{torch::empty_like(encoding.codes), torch::empty({out})};
  for (int64_t c = 0; c < out; ++c) {
    const auto integer = integer_levels(levels[c]);
    if (!integer) return std::nullopt;
    weights.integers[c].copy_(integer->integers.index_select(0, encoding.codes[c].flatten())
                                  .view(encoding.codes[c].sizes()));
    weights.scale[c] = integer->scale;
  }
  return weights;
}

}  // namespace

PlannedFormat planned(const Format& format, const std::string& what) {
  if (auto* f = std::get_if<UniformFormat>(&format)) return planned_uniform(*f, what);
  return planned_codebook(std::get<CodebookFormat>(format));
}

void absorb_relu(double most, PlannedFormat& format, Finish& finish) {
  const auto in_u = [&](double y) { return static_cast<float>(y * format.factor + format.shift); };
  finish.least = in_u(0);
  if (most > 0) finish.most = in_u(most);
  Quantization& q = format.quantization;
  if (q.by_thresholds() || q.lows.defined() || q.step != 1 || q.overflow != Overflow::Saturate)
    return;
  // Rounding and clamping are monotone, so the order in which bounds apply is free.
  q.low = std::min(std::max<int64_t>(q.low, 0), q.high);
  if (most > 0 && rounded(q.rounding, finish.most) < static_cast<double>(q.high))
    q.high = std::max(q.low, static_cast<int64_t>(rounded(q.rounding, finish.most)));
  format.grid->low = std::min<int64_t>(q.low, 0);
  format.grid->high = std::max<int64_t>(q.high, 0);
  finish.least = -INFINITY;
  finish.most = INFINITY;
}

std::optional<IntegerWeights> integer_weights(const Encoding& encoding) {
  if (auto* e = std::get_if<UniformEncoding>(&encoding)) return of_uniform(*e);
  if (auto* e = std::get_if<CodebookEncoding>(&encoding)) return of_codebook(*e);
  return std::nullopt;
}

std::optional<IntegerLevels> integer_levels(const Tensor& levels) {
  const Tensor sizes = levels.abs();
  const Tensor nonzero = sizes.masked_select(sizes > 0);
  if (nonzero.numel() == 0) return IntegerLevels{1, torch::zeros_like(levels, torch::kInt)};
  // The smallest level's own rounding may hide a scale that the largest one shows.
  for (const double size : {nonzero.min().item<float>(), nonzero.max().item<float>()})
    for (int parts = 1; parts <= kMostParts; ++parts) {
      const auto scale = static_cast<float>(size / parts);
      if (scale < 0x1p-126f) break;
      if (const auto n = multiples(levels, scale)) return IntegerLevels{scale, *n};
    }
  return std::nullopt;
}

}  // namespace quantbench
