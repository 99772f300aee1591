#include "methods/common/fake_quantize.h"

#include <limits>

#include "base/error.h"
#include "methods/common/custom_gradient.h"
#include "methods/common/kernel_grids.h"
#include "methods/common/parallel.h"
#include "methods/common/range.h"
#include "methods/common/run_memory.h"

namespace quantbench {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr double kSmallestLearned = 1e-8;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What one application needs, copied: the format's tensors may move on before the backward pass.
struct Settings : torch::CustomClassHolder {
  UniformFormat format;
  StraightThrough rule;
  double gradient_scale = 1;
  std::vector<kernels::Grid> grids{};  // one a row; empty: no kernel does this format
  kernels::Rectifier rectifier{};
  bool observe = false;
  kernels::Extremes observed{};  // of the rectified input; written by the forward pass
};
using SettingsPointer = c10::intrusive_ptr<Settings>;

// Kernels know saturating half-even grids, one for the tensor or one a channel.
std::vector<kernels::Grid> grids_for(const UniformFormat& format, const Tensor& x) {
  if (!x.is_cpu() || !format.scale.is_cpu() || format.granularity == Granularity::Element ||
      format.rounding != Rounding::HalfEven || format.overflow != Overflow::Saturate)
    return {};
  const int64_t rows = format.granularity == Granularity::Channel ? format.scale.numel() : 1;
  require(format.scale.numel() == rows, "A format has {} scales for {} rows.", format.scale.numel(),
          rows);
  require(rows == 1 || (x.dim() > 0 && x.size(0) == rows),
          "A format of {} channels does not fit a tensor whose first dimension is {}.", rows,
          x.dim() ? x.size(0) : 0);
  return kernel_grids(format);
}

SettingsPointer make_settings(const Tensor& x, const UniformFormat& format,
                              const StraightThrough& rule, double gradient_scale = 1) {
  auto settings = c10::make_intrusive<Settings>();
  settings->format = format;
  settings->rule = rule;
  settings->gradient_scale = gradient_scale;
  settings->grids = grids_for(format, x);
  if (settings->grids.empty()) settings->format.scale = format.scale.detach().clone();
  if (rule.relu) settings->rectifier.low = 0;
  if (rule.relu && rule.relu_max > 0) settings->rectifier.high = static_cast<float>(rule.relu_max);
  return settings;
}

bool by_rows(const Settings& s) { return s.grids.size() > 1; }
int64_t rows(const Settings& s) { return static_cast<int64_t>(s.grids.size()); }

Tensor rectified(const Tensor& x, const StraightThrough& rule) {
  if (!rule.relu) return x;
  return rule.relu_max > 0 ? x.clamp(0, rule.relu_max) : x.clamp_min(0);
}

Tensor gate(const Tensor& x, const StraightThrough& rule) {
  if (!rule.relu) return torch::ones_like(x, torch::kBool);
  const Tensor open = (x <= 0).logical_not();
  return rule.relu_max > 0 ? open & (x >= rule.relu_max).logical_not() : open;
}

kernels::Extremes extremes_of(const Tensor& x) {
  const auto [low, high] = torch::aminmax(x);
  return {low.item<float>(), high.item<float>()};
}

Tensor quantized(const Tensor& x, Settings& s) {
  if (s.grids.empty()) {
    const Tensor r = rectified(x.to(torch::kFloat32), s.rule);
    if (s.observe && r.numel() > 0) s.observed = extremes_of(r);
    return apply(s.format, r).to(x.scalar_type());
  }
  Tensor y = torch::empty_like(x);
  const Runs runs(x, rows(s));
  std::vector<kernels::Extremes> found(s.observe ? static_cast<size_t>(runs.count()) : 0);
  runs.for_each([&](int64_t run, int64_t row, int64_t first, int64_t count) {
    const ReadRun from(x, first, count);
    WrittenRun to(y, first, count);
    kernels::quantize(from.data(), to.data(), count, s.grids[static_cast<size_t>(row)],
                      s.rectifier);
    if (s.observe)
      found[static_cast<size_t>(run)] = kernels::extremes(from.data(), count, s.rectifier);
  });
  for (const kernels::Extremes& e : found) {
    s.observed.low = std::min(s.observed.low, e.low);
    s.observed.high = std::max(s.observed.high, e.high);
  }
  return y;
}

// v = x/scale and the integers of the lowest and the highest code, for formats without a kernel.
struct Scaled {
  Tensor v, lowest, highest;
};
Scaled scaled(const Tensor& x, const Settings& s) {
  const UniformFormat& f = s.format;
  auto integer = [&](const Tensor& code) {
    return align(f, f.step * code - f.zero_point, x).to(torch::kFloat32);
  };
  const Tensor real = x.to(torch::kFloat32);
  return {rectified(real, s.rule) * align(f, f.scale, x).reciprocal(), integer(lowest_code(f)),
          integer(highest_code(f))};
}

Tensor select(const Tensor& mask, const Tensor& gradient) {
  return torch::where(mask, gradient, torch::zeros_like(gradient));
}

// Sums `t` over what shares one scale.
Tensor sum_to_scale(const Tensor& t, const Tensor& scale) {
  if (scale.numel() == 1) return t.sum(torch::kFloat64).to(torch::kFloat32).view(scale.sizes());
  return t.reshape({scale.numel(), -1}).sum(1, false, torch::kFloat64).to(torch::kFloat32);
}

Tensor straight_backward(const Tensor& x, const Tensor& gradient, const Settings& s) {
  const bool open = s.rule.pass_clipped;
  if (s.grids.empty()) {
    Tensor mask = gate(x, s.rule);
    if (!open && s.format.overflow == Overflow::Saturate) {
      const Scaled at = scaled(x, s);
      const double half = 0.5 * s.format.step;
      mask = mask & (at.v >= at.lowest - half) & (at.v <= at.highest + half);
    }
    return select(mask, gradient);
  }
  Tensor dx = torch::empty_like(x);
  const Tensor g = laid_out_as(x, gradient);
  Runs(x, rows(s)).for_each([&](int64_t, int64_t row, int64_t first, int64_t count) {
    const kernels::Grid& grid = s.grids[static_cast<size_t>(row)];
    const float half = 0.5f * grid.step;
    const float low = open ? -kInfinity : grid.step * grid.low - grid.zero_point - half;
    const float high = open ? kInfinity : grid.step * grid.high - grid.zero_point + half;
    const ReadRun from(x, first, count), slope(g, first, count);
    WrittenRun to(dx, first, count);
    kernels::straight_backward(from.data(), slope.data(), to.data(), count, grid.inverse, low, high,
                               s.rectifier);
  });
  return dx;
}

// Runs a kernel that returns the sum of each run, and adds these up row by row.
template <typename Kernel>
std::pair<Tensor, Tensor> summing_backward(const Tensor& x, const Tensor& gradient,
                                           const Tensor& parameter, const Settings& s,
                                           const Kernel& kernel) {
  Tensor dx = torch::empty_like(x);
  const Tensor g = laid_out_as(x, gradient);
  const Runs runs(x, rows(s));
  std::vector<double> sums(static_cast<size_t>(runs.count()));
  runs.for_each([&](int64_t run, int64_t row, int64_t first, int64_t count) {
    const ReadRun from(x, first, count), slope(g, first, count);
    WrittenRun to(dx, first, count);
    sums[static_cast<size_t>(run)] =
        kernel(from.data(), slope.data(), to.data(), count, s.grids[static_cast<size_t>(row)]);
  });
  Tensor total = torch::zeros({rows(s)}, torch::kFloat64);
  for (int64_t run = 0; run < runs.count(); ++run)
    total.data_ptr<double>()[run / runs.per_row()] += sums[static_cast<size_t>(run)];
  return {dx, (total * s.gradient_scale).to(torch::kFloat32).view(parameter.sizes())};
}

std::pair<Tensor, Tensor> learned_step_backward(const Tensor& x, const Tensor& gradient,
                                                const Tensor& scale, const Settings& s) {
  if (s.grids.empty()) {
    const Scaled at = scaled(x, s);
    const Tensor inside = (at.v > at.lowest) & (at.v < at.highest);
    const Tensor k =
        integers(s.format, quantize(s.format, rectified(x.to(torch::kFloat32), s.rule)));
    const Tensor slope = gradient * (k - select(inside, at.v));
    return {select(inside & gate(x, s.rule), gradient),
            sum_to_scale(slope, scale) * s.gradient_scale};
  }
  return summing_backward(
      x, gradient, scale, s,
      [&](const float* from, const float* g, float* dx, int64_t count, const kernels::Grid& grid) {
        return kernels::learned_step_backward(from, g, dx, count, grid, s.rectifier);
      });
}

std::pair<Tensor, Tensor> pact_backward(const Tensor& x, const Tensor& gradient,
                                        const Tensor& alpha, const Settings& s) {
  if (s.grids.empty()) {
    const Tensor r = rectified(x, s.rule);
    return {select((r > 0) & (r < alpha) & gate(x, s.rule), gradient),
            sum_to_scale(select(r >= alpha, gradient), alpha)};
  }
  const float limit = alpha.item<float>();
  return summing_backward(
      x, gradient, alpha, s,
      [&](const float* from, const float* g, float* dx, int64_t count, const kernels::Grid&) {
        return kernels::pact_backward(from, g, dx, count, limit, s.rectifier);
      });
}

void keep(AutogradContext* context, const SettingsPointer& settings, variable_list saved) {
  context->save_for_backward(std::move(saved));
  context->saved_data["settings"] = c10::IValue::make_capsule(settings);
}

const Settings& kept(AutogradContext* context) {
  return static_cast<const Settings&>(*context->saved_data["settings"].toCapsule());
}

struct Straight : Function<Straight> {
  static Tensor forward(AutogradContext* context, const Tensor& x,
                        const SettingsPointer& settings) {
    const Tensor input = settings->grids.empty() ? x : dense(x, by_rows(*settings));
    keep(context, settings, {input});
    return quantized(input, *settings);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const Tensor x = context->get_saved_variables()[0];
    return {straight_backward(x, gradients[0], kept(context)), {}};
  }
};

using SummingBackward = std::pair<Tensor, Tensor> (*)(const Tensor& x, const Tensor& gradient,
                                                      const Tensor& parameter, const Settings&);

// A quantizer with a learned parameter; Backward gives the gradients of input and parameter.
template <SummingBackward Backward>
struct Learned : Function<Learned<Backward>> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& parameter,
                        const SettingsPointer& settings) {
    const Tensor input = settings->grids.empty() ? x : dense(x, by_rows(*settings));
    keep(context, settings, {input, parameter});
    return quantized(input, *settings);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const variable_list saved = context->get_saved_variables();
    auto [dx, d_parameter] = Backward(saved[0], gradients[0], saved[1], kept(context));
    return {dx, d_parameter, {}};
  }
};

// What the functions below take as it is.
Tensor floating(const Tensor& x) {
  return x.scalar_type() == torch::kBFloat16 ? x : x.to(torch::kFloat32);
}

}  // namespace

Tensor fake_quantize(const Tensor& x, const UniformFormat& format, const StraightThrough& rule) {
  const Tensor real = floating(x);
  return Straight::apply(real, make_settings(real, format, rule));
}

ObservedQuantization fake_quantize_observed(const Tensor& x, const UniformFormat& format,
                                            const StraightThrough& rule) {
  const Tensor real = floating(x);
  const SettingsPointer settings = make_settings(real, format, rule);
  settings->observe = true;
  Tensor value = Straight::apply(real, settings);
  return {std::move(value), settings->observed.low, settings->observed.high};
}

UniformFormat with_scale(const UniformFormat& grid, const Tensor& scale) {
  UniformFormat out = grid;
  out.scale = scale.detach().clamp_min(kSmallestLearned);
  return out;
}

Tensor learned_step_quantize(const Tensor& x, const Tensor& scale, const UniformFormat& grid,
                             double gradient_scale, const StraightThrough& rule) {
  const Tensor real = floating(x);
  return Learned<learned_step_backward>::apply(
      real, scale, make_settings(real, with_scale(grid, scale), rule, gradient_scale));
}

UniformFormat pact_format(const Tensor& alpha, BitWidth bits) {
  const Tensor high = alpha.detach().clamp_min(kSmallestLearned);
  return uniform_format({Granularity::Tensor, torch::zeros_like(high), high}, bits, Scheme::Affine);
}

Tensor pact_quantize(const Tensor& x, const Tensor& alpha, BitWidth bits, double relu_max) {
  const Tensor real = floating(x);
  return Learned<pact_backward>::apply(
      real, alpha, make_settings(real, pact_format(alpha, bits), {true, relu_max, false}));
}

Tensor dorefa_normalise(const Tensor& weight) {
  const Tensor bounded = torch::tanh(weight);
  return bounded / bounded.detach().abs().max().clamp_min(kSmallestLearned);
}

UniformFormat dorefa_format(BitWidth bits) {
  require(bits.bits() >= 1 && bits.bits() <= 16, "A uniform grid has 1..16 bits, not {}.",
          bits.bits());
  const int64_t intervals = bits.levels() - 1;
  UniformFormat format;
  format.scale = torch::full({1}, 1.0 / static_cast<double>(intervals), torch::kFloat32);
  format.zero_point = torch::full({1}, intervals, torch::kInt32);
  format.bits = torch::full({1}, bits.bits(), torch::kUInt8);
  format.step = 2;
  return format;
}

}  // namespace quantbench
