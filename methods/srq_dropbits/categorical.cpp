#include "methods/srq_dropbits/categorical.h"

#include <algorithm>

#include "methods/common/custom_gradient.h"
#include "methods/common/parallel.h"
#include "methods/srq_dropbits/category_kernels.h"

namespace quantbench::srq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Settings : torch::CustomClassHolder {
  CategoricalRule rule;
  quantbench::kernels::Rectifier rectifier;
  std::vector<double> weights;
  double alpha = 1, sigma = 1;
};
using SettingsPointer = c10::intrusive_ptr<Settings>;

template <typename Real>
kernels::Categories<Real> categories_of(const Settings& s) {
  kernels::Categories<Real> out;
  out.low = static_cast<Real>(s.rule.low);
  out.high = static_cast<Real>(s.rule.high);
  // Steeper ones leave the range of exp(); their categories are 0 or 1 long before.
  out.slope = static_cast<Real>(std::min(s.alpha / s.sigma, kernels::steepest<Real>()));
  out.open = s.rule.open;
  out.reach = static_cast<Real>(std::max(1.0, s.rule.local * s.sigma / s.alpha));
  out.temperature = static_cast<Real>(s.rule.temperature);
  out.sampled = s.rule.sampled;
  out.hard = s.rule.hard;
  out.only_chosen = s.rule.only_chosen;
  kernels::set_points(out, s.weights);
  return out;
}

kernels::Noise noise_of(const Settings& s, int64_t run) {
  const uint64_t bits = s.rule.noise.child(static_cast<uint64_t>(run)).bits(0);
  return {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
}

template <typename Real>
Tensor values(const Tensor& x, const Settings& s) {
  const auto categories = categories_of<Real>(s);
  const Real scale = static_cast<Real>(s.alpha), inverse = 1 / scale;
  Tensor y = torch::empty_like(x);
  Runs(x, 1).for_each([&](int64_t run, int64_t, int64_t first, int64_t count) {
    Real* to = y.data_ptr<Real>() + first;
    kernels::category_values(x.data_ptr<Real>() + first, to, count, categories, inverse,
                             s.rectifier, noise_of(s, run));
    // One product that rounds, as in decode().
    for (int64_t i = 0; i < count; ++i) to[i] *= scale;
  });
  return y;
}

struct Gradients {
  Tensor x;
  double alpha = 0, sigma = 0;
  std::vector<double> weights;  // of all integers of the grid
};

template <typename Real>
Gradients backward(const Tensor& x, const Tensor& gradient, const Settings& s, bool with_weights) {
  const auto categories = categories_of<Real>(s);
  const Real inverse = 1 / static_cast<Real>(s.alpha);
  const size_t points = categories.points.size();
  Tensor dx = torch::empty_like(x);
  const Tensor g = torch::empty_like(x).copy_(gradient);
  const Runs runs(x, 1);
  const auto count_of_runs = static_cast<size_t>(runs.count());
  std::vector<kernels::CategorySums> sums(count_of_runs);
  std::vector<std::vector<double>> by_weight(count_of_runs);
  runs.for_each([&](int64_t run, int64_t, int64_t first, int64_t count) {
    const auto at = static_cast<size_t>(run);
    if (with_weights) by_weight[at].resize(points);
    sums[at] = kernels::category_backward(x.data_ptr<Real>() + first, g.data_ptr<Real>() + first,
                                          dx.data_ptr<Real>() + first, count, categories, inverse,
                                          s.rectifier, noise_of(s, run),
                                          with_weights ? by_weight[at].data() : nullptr);
  });
  kernels::CategorySums total;
  std::vector<double> of_points(points);
  for (size_t run = 0; run < count_of_runs; ++run) {
    total.value += sums[run].value;
    total.position += sums[run].position;
    total.slope += sums[run].slope;
    for (size_t i = 0; i < by_weight[run].size(); ++i) of_points[i] += by_weight[run][i];
  }
  const double r = s.alpha / s.sigma;
  Gradients out{dx, total.value - total.position + r * total.slope, -r * r * total.slope, {}};
  out.weights.resize(s.weights.size());
  for (size_t i = 0; i < points; ++i)
    out.weights[static_cast<size_t>(categories.points[i] - categories.low)] =
        of_points[i] * s.alpha;
  return out;
}

struct Categorical : Function<Categorical> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& alpha,
                        const Tensor& sigma, const Tensor& weights,
                        const SettingsPointer& settings) {
    const Tensor input = dense(x, false);
    context->save_for_backward({input, alpha, sigma, weights});
    context->saved_data["settings"] = c10::IValue::make_capsule(settings);
    return input.scalar_type() == torch::kFloat64 ? values<double>(input, *settings)
                                                  : values<float>(input, *settings);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const variable_list saved = context->get_saved_variables();
    const auto& settings =
        static_cast<const Settings&>(*context->saved_data["settings"].toCapsule());
    const Tensor& x = saved[0];
    const bool with_weights = context->needs_input_grad(3);
    const Gradients out = x.scalar_type() == torch::kFloat64
                              ? srq::backward<double>(x, gradients[0], settings, with_weights)
                              : srq::backward<float>(x, gradients[0], settings, with_weights);
    const auto like = [](double value, const Tensor& t) {
      return torch::full(t.sizes(), value, t.options());
    };
    Tensor of_weights;
    if (with_weights)
      of_weights = torch::tensor(out.weights, torch::kFloat64).to(saved[3].scalar_type());
    return {out.x, like(out.alpha, saved[1]), like(out.sigma, saved[2]), of_weights, {}};
  }
};

}  // namespace

Tensor categorical_quantize(const Tensor& x, const Tensor& alpha, const Tensor& sigma,
                            const Tensor& weights, const CategoricalRule& rule,
                            quantbench::kernels::Rectifier rectifier) {
  const Tensor real = x.scalar_type() == torch::kFloat64 ? x : x.to(torch::kFloat32);
  if (!real.is_cpu())
    return categorical_quantize(real.cpu(), alpha.cpu(), sigma.cpu(),
                                weights.defined() ? weights.cpu() : weights, rule, rectifier)
        .to(x.device());
  auto settings = c10::make_intrusive<Settings>();
  settings->rule = rule;
  settings->rectifier = rectifier;
  settings->alpha = alpha.item<double>();
  settings->sigma = sigma.item<double>();
  const auto points = static_cast<size_t>(rule.high - rule.low + 1);
  settings->weights.assign(points, 1);
  if (weights.defined()) {
    const Tensor wide = weights.detach().to(torch::kFloat64).contiguous();
    settings->weights.assign(wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel());
    require(settings->weights.size() == points, "There are {} masks for a grid of {} points.",
            settings->weights.size(), points);
  }
  const Tensor masks = weights.defined() ? weights : torch::ones({0});
  return Categorical::apply(real, alpha, sigma, masks, settings);
}

}  // namespace quantbench::srq
