#include "methods/common/soft_staircase.h"

#include <type_traits>

#include "methods/common/custom_gradient.h"
#include "methods/common/run_memory.h"
#include "methods/common/staircase_kernels.h"

namespace quantbench {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

Tensor as_real(const Tensor& x) {
  return x.scalar_type() == torch::kFloat64 ? x : x.to(torch::kFloat32);
}

Tensor rectified(const Tensor& x, const kernels::Rectifier& r) {
  const Tensor up = std::isnan(r.low) ? x : x.clamp_min(r.low);
  return std::isnan(r.high) ? up : up.clamp_max(r.high);
}

Tensor gated(const Tensor& x, const kernels::Rectifier& r, const Tensor& gradient) {
  Tensor closed = torch::zeros_like(x, torch::kBool);
  if (!std::isnan(r.low)) closed = closed | (x <= r.low);
  if (!std::isnan(r.high)) closed = closed | (x >= r.high);
  return gradient.masked_fill(closed, 0);
}

Tensor as_parameter(double value, const Tensor& like) {
  return torch::full(like.sizes(), value, like.options());
}

// The float64 of the tests as run_memory.h has float32 and bfloat16.
class DoubleRun {
 public:
  DoubleRun(const Tensor& x, int64_t first, int64_t) : data_(x.data_ptr<double>() + first) {}
  double* data() const { return data_; }

 private:
  double* data_;
};
template <typename Real>
using Read = std::conditional_t<std::is_same_v<Real, double>, DoubleRun, ReadRun>;
template <typename Real>
using Written = std::conditional_t<std::is_same_v<Real, double>, DoubleRun, WrittenRun>;

// Runs `kernel(run, count)` over x and adds up its sums.
template <typename Real, typename Kernel>
std::pair<Tensor, kernels::StepSums> summed_backward(const Tensor& x, const Tensor& y,
                                                     const Tensor& gradient, const Kernel& kernel) {
  Tensor dx = torch::empty_like(x);
  const Tensor g = gradient.strides() == x.strides() && gradient.dtype() == x.dtype()
                       ? gradient
                       : torch::empty_like(x).copy_(gradient);
  const Runs runs(x, 1);
  std::vector<kernels::StepSums> sums(static_cast<size_t>(runs.count()));
  runs.for_each([&](int64_t run, int64_t, int64_t first, int64_t count) {
    const Read<Real> from(x, first, count), result(y, first, count), above(g, first, count);
    Written<Real> to(dx, first, count);
    const kernels::BackwardRun<Real> at{from.data(), result.data(), above.data(), to.data()};
    sums[static_cast<size_t>(run)] = kernel(at, count);
  });
  kernels::StepSums total;
  for (const kernels::StepSums& part : sums) {
    total.first += part.first;
    total.second += part.second;
  }
  return {dx, total};
}

// What one application of either function needs.
struct Settings : torch::CustomClassHolder {
  Staircase staircase;  // soft_staircase
  Softness softness;
  int64_t low = 0, high = 0;  // semi_relaxed_quantize
  kernels::Rectifier rectifier;
  bool kernels = true;
  double outer = 1, inner = 1;  // alpha and beta, or alpha and sigma
};
using SettingsPointer = c10::intrusive_ptr<Settings>;

struct Gradients {
  Tensor x;
  double outer = 0, inner = 0;
};

// Sums over the edges, one after the other.
struct EdgeSums {
  Tensor value, slope, moment;  // sum h s; sum h s (1 - s); the same times u
};

EdgeSums edge_sums(const Tensor& position, const Staircase& staircase, double slope, double clamp) {
  EdgeSums out{torch::full_like(position, staircase.lowest), torch::zeros_like(position),
               torch::zeros_like(position)};
  for (size_t i = 0; i < staircase.edges.size(); ++i) {
    Tensor u = (position - staircase.edges[i]) * slope;
    if (clamp > 0) u = u.clamp(-clamp, clamp);
    const Tensor s = torch::sigmoid(u);
    const Tensor w = s * torch::sigmoid(-u) * staircase.heights[i];
    out.value += s * staircase.heights[i];
    out.slope += w;
    out.moment += w * u;
  }
  return out;
}

template <typename Real>
kernels::SoftSteps<Real> steps_of(const Settings& s, double temperature, kernels::Curve curve) {
  return kernels::soft_steps<Real>(s.staircase, temperature, curve, s.softness.clamp);
}

template <typename Real>
kernels::StepScales<Real> scales_of(const Settings& s) {
  return {static_cast<Real>(s.inner), static_cast<Real>(s.outer)};
}

template <typename Real>
Tensor staircase_by_kernel(const Tensor& x, const Settings& s) {
  Tensor y = torch::empty_like(x);
  const auto steps = steps_of<Real>(s, s.softness.temperature, kernels::Curve::Value);
  Runs(x, 1).for_each([&](int64_t, int64_t, int64_t first, int64_t count) {
    const Read<Real> from(x, first, count);
    Written<Real> to(y, first, count);
    kernels::soft_steps_forward(from.data(), to.data(), count, steps, scales_of<Real>(s),
                                s.rectifier);
  });
  return y;
}

// dy/dx = alpha * beta * factor * (the slope of the sum at `temperature`).
struct Slope {
  double temperature, factor;
};

Slope slope_of(const Softness& s) {
  if (s.slope_temperature > 0) return {s.slope_temperature, s.slope_temperature};
  return {s.slope_at_one ? 1 : s.temperature, s.temperature};
}

template <typename Real>
Gradients staircase_backward_by_kernel(const Tensor& x, const Tensor& y, const Tensor& gradient,
                                       const Settings& s) {
  const Slope slope = slope_of(s.softness);
  const auto steps = steps_of<Real>(s, slope.temperature, kernels::Curve::Slope);
  const auto [dx, sums] = summed_backward<Real>(
      x, y, gradient, [&](const kernels::BackwardRun<Real>& run, int64_t count) {
        return kernels::soft_steps_backward(run, count, steps, static_cast<Real>(slope.factor),
                                            scales_of<Real>(s), s.rectifier);
      });
  return {dx, sums.first, sums.second};
}

// The function of Quantization Networks.
struct SoftFunction {
  static Tensor forward(const Tensor& x, const Settings& s) {
    if (s.kernels)
      return x.scalar_type() == torch::kFloat64 ? staircase_by_kernel<double>(x, s)
                                                : staircase_by_kernel<float>(x, s);
    const EdgeSums sums = edge_sums(rectified(x, s.rectifier) * s.inner, s.staircase,
                                    s.softness.temperature, s.softness.clamp);
    return sums.value * s.outer;
  }

  static Gradients backward(const Tensor& x, const Tensor& y, const Tensor& gradient,
                            const Settings& s) {
    if (s.kernels)
      return x.scalar_type() == torch::kFloat64
                 ? staircase_backward_by_kernel<double>(x, y, gradient, s)
                 : staircase_backward_by_kernel<float>(x, y, gradient, s);
    const Slope slope = slope_of(s.softness);
    const Tensor r = rectified(x, s.rectifier);
    const EdgeSums sums = edge_sums(r * s.inner, s.staircase, slope.temperature, s.softness.clamp);
    const Tensor through = gradient * sums.slope * (s.outer * slope.factor);
    return {gated(x, s.rectifier, through * s.inner),
            (gradient * y).sum(torch::kFloat64).item<double>() / s.outer,
            (through * r).sum(torch::kFloat64).item<double>()};
  }
};

// The multiplication by the inverse is what UniformFormat does.
template <typename Real>
Tensor rounded(const Tensor& x, const Settings& s) {
  const Real scale = static_cast<Real>(s.outer), inverse = 1 / scale;
  return (rectified(x, s.rectifier) * inverse)
             .round()
             .clamp(static_cast<double>(s.low), static_cast<double>(s.high)) *
         scale;
}

Tensor rounded_by_kernel(const Tensor& x, const Settings& s) {
  Tensor y = torch::empty_like(x);
  kernels::Grid grid;
  grid.scale = static_cast<float>(s.outer);
  grid.inverse = 1 / grid.scale;
  grid.low = static_cast<float>(s.low);
  grid.high = static_cast<float>(s.high);
  Runs(x, 1).for_each([&](int64_t, int64_t, int64_t first, int64_t count) {
    const ReadRun from(x, first, count);
    WrittenRun to(y, first, count);
    kernels::quantize(from.data(), to.data(), count, grid, s.rectifier);
  });
  return y;
}

template <typename Real>
Gradients dense_backward_by_kernel(const Tensor& x, const Tensor& y, const Tensor& gradient,
                                   const Settings& s) {
  const double r = s.outer / s.inner;
  const auto steps = kernels::soft_rounding<Real>(s.low, s.high, r);
  const Real scale = static_cast<Real>(s.outer);
  const auto [dx, sums] = summed_backward<Real>(
      x, y, gradient, [&](const kernels::BackwardRun<Real>& run, int64_t count) {
        return kernels::semi_relaxed_backward(run.x, run.gradient, run.dx, count, steps, 1 / scale,
                                              static_cast<Real>(s.low), static_cast<Real>(s.high),
                                              s.rectifier);
      });
  return {dx, sums.first, -r * sums.second};
}

// SRQ's.
struct SemiRelaxedFunction {
  static Tensor forward(const Tensor& x, const Settings& s) {
    if (x.scalar_type() == torch::kFloat64) return rounded<double>(x, s);
    return s.kernels ? rounded_by_kernel(x, s) : rounded<float>(x, s);
  }

  static Gradients backward(const Tensor& x, const Tensor& y, const Tensor& gradient,
                            const Settings& s) {
    if (s.kernels)
      return x.scalar_type() == torch::kFloat64
                 ? dense_backward_by_kernel<double>(x, y, gradient, s)
                 : dense_backward_by_kernel<float>(x, y, gradient, s);
    const double r = s.outer / s.inner;
    const Tensor p = rectified(x, s.rectifier) * (1 / s.outer);
    const EdgeSums sums = edge_sums(p, Staircase::integers(s.low, s.high), r, 0);
    const Tensor m = p.round().clamp(static_cast<double>(s.low), static_cast<double>(s.high));
    const auto total = [&](const Tensor& t) {
      return (gradient * t).sum(torch::kFloat64).item<double>();
    };
    return {gated(x, s.rectifier, gradient * sums.slope * r),
            total(m - p * sums.slope * r + sums.moment), -r * total(sums.moment)};
  }
};

template <typename Rule>
struct TwoParameters : Function<TwoParameters<Rule>> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& outer,
                        const Tensor& inner, const SettingsPointer& settings) {
    const Tensor input = settings->kernels ? dense(x, false) : x;
    const Tensor y = Rule::forward(input, *settings);
    // The result is alive anyway: the layer that it goes to keeps it.
    context->save_for_backward({input, y, outer, inner});
    context->saved_data["settings"] = c10::IValue::make_capsule(settings);
    return y;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const variable_list saved = context->get_saved_variables();
    const auto& settings =
        static_cast<const Settings&>(*context->saved_data["settings"].toCapsule());
    const Gradients out = Rule::backward(saved[0], saved[1], gradients[0], settings);
    return {out.x, as_parameter(out.outer, saved[2]), as_parameter(out.inner, saved[3]), {}};
  }
};

template <typename Rule>
Tensor run(const Tensor& x, const Tensor& outer, const Tensor& inner, SettingsPointer settings) {
  const bool as_it_is = is_bf16(x) && x.is_cpu() && settings->kernels;
  const Tensor input = as_it_is ? x : as_real(x);
  settings->outer = outer.item<double>();
  settings->inner = inner.item<double>();
  settings->kernels = settings->kernels && input.is_cpu();
  return TwoParameters<Rule>::apply(input, outer, inner, settings);
}

}  // namespace

kernels::Rectifier rectifier_of(const TapContext& context) {
  kernels::Rectifier out;
  if (context.relu) out.low = 0;
  if (context.relu && context.relu_max > 0) out.high = static_cast<float>(context.relu_max);
  return out;
}

Tensor soft_staircase(const Tensor& x, const Tensor& alpha, const Tensor& beta,
                      const Staircase& staircase, const Softness& softness,
                      kernels::Rectifier rectifier) {
  auto settings = c10::make_intrusive<Settings>();
  settings->staircase = staircase;
  settings->softness = softness;
  settings->rectifier = rectifier;
  settings->kernels = softness.kernels;
  return run<SoftFunction>(x, alpha, beta, std::move(settings));
}

Tensor hard_steps(const Tensor& x, const CodebookFormat& format, kernels::Rectifier rectifier) {
  const torch::NoGradGuard no_grad;
  if (is_bf16(x)) return hard_steps(x.to(torch::kFloat32), format, rectifier).to(torch::kBFloat16);
  const Tensor input = x.detach().to(torch::kFloat32);
  // Beyond these, a search is faster than a look at every threshold.
  constexpr int64_t kMostCompared = 32;
  if (!input.is_cpu() || format.thresholds.numel() > kMostCompared)
    return quantbench::apply(format, rectified(input, rectifier));
  const Tensor from = dense(input, false);
  const Tensor levels = format.levels.cpu().contiguous(),
               edges = format.thresholds.cpu().contiguous();
  Tensor y = torch::empty_like(from);
  Runs(from, 1).for_each([&](int64_t, int64_t, int64_t first, int64_t count) {
    kernels::hard_steps(from.data_ptr<float>() + first, y.data_ptr<float>() + first, count,
                        edges.data_ptr<float>(), levels.data_ptr<float>(), edges.numel(),
                        rectifier);
  });
  return y;
}

Tensor semi_relaxed_quantize(const Tensor& x, const Tensor& alpha, const Tensor& sigma, int64_t low,
                             int64_t high, kernels::Rectifier rectifier, bool kernels) {
  auto settings = c10::make_intrusive<Settings>();
  settings->low = low;
  settings->high = high;
  settings->rectifier = rectifier;
  settings->kernels = kernels;
  return run<SemiRelaxedFunction>(x, alpha, sigma, std::move(settings));
}

}  // namespace quantbench
