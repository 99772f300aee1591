#include "methods/hgq/fixed_point.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "methods/common/custom_gradient.h"
#include "methods/hgq/kernels.h"

namespace quantbench::hgq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kLn2 = 0.693147180559945309417;
constexpr int64_t kElementsAtOnce = 16384;  // of a chunk of rows, worked on by one thread

// `x` as rows of numbers in memory, and the scales of their columns.
struct Layout {
  int64_t rows = 1, length = 0, rows_at_once = 1;
  bool channels_last = false;
  std::vector<int64_t> sample;  // the shape of a row
  std::vector<float> step, inverse;

  int64_t chunks() const { return (rows + rows_at_once - 1) / rows_at_once; }
  kernels::Columns columns() const { return {step.data(), inverse.data()}; }

  // [length] in memory order -> the shape of a row.
  Tensor as_sample(const Tensor& t) const {
    if (!channels_last) return t.view(sample);
    return t.view({sample[1], sample[2], sample[0]}).permute({2, 0, 1});
  }

  // Calls body(chunk, first row, number of rows), several chunks at a time.
  template <typename Body>
  void for_each_chunk(const Body& body) const {
    at::parallel_for(0, chunks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t first = chunk * rows_at_once;
        body(chunk, first, std::min(rows_at_once, rows - first));
      }
    });
  }
};

// 2^exponent of a normal float32, without the library's call.
float power_of_two(int exponent) {
  const auto bits = static_cast<uint32_t>(exponent + 127) << 23;
  float out = 0;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}

bool is_weight(const Tensor& x, const Tensor& f) { return f.dim() == x.dim(); }

Layout layout_of(const Tensor& x, const Tensor& f) {
  Layout out;
  out.sample = x.sizes().vec();
  if (!is_weight(x, f)) {
    out.rows = x.size(0);
    out.sample.erase(out.sample.begin());
    out.channels_last = x.dim() == 4 && !x.is_contiguous();
  }
  out.length = out.rows > 0 ? x.numel() / out.rows : 0;
  out.rows_at_once = std::max<int64_t>(1, kElementsAtOnce / std::max<int64_t>(1, out.length));
  Tensor spread = f.detach().expand(out.sample);
  if (out.channels_last) spread = spread.permute({1, 2, 0});
  spread = spread.contiguous();
  const float* fraction = spread.data_ptr<float>();
  out.step.resize(static_cast<size_t>(out.length));
  out.inverse.resize(static_cast<size_t>(out.length));
  for (size_t i = 0; i < out.step.size(); ++i) {
    const int bits = static_cast<int>(
        std::clamp<float>(std::nearbyint(fraction[i]), -kMostFractionBits, kMostFractionBits));
    out.inverse[i] = power_of_two(bits);
    out.step[i] = power_of_two(-bits);
  }
  return out;
}

kernels::Rule kernel_rule(const FixedPointRule& rule) {
  return {rule.rounding == Rounding::HalfUp ? 0.5f : 0.0f, rule.relu,
          rule.relu_max > 0 ? static_cast<float>(rule.relu_max) : kInfinity};
}

// Rows that kernels can walk: contiguous, or an image's channels last.
Tensor walkable(const Tensor& x, const Tensor& f) {
  const bool last =
      !is_weight(x, f) && x.dim() == 4 && x.is_contiguous(torch::MemoryFormat::ChannelsLast);
  return last ? x : x.contiguous();
}

FixedPointValues forward_on_cpu(const Tensor& x, const Tensor& f, const FixedPointRule& rule) {
  const Layout layout = layout_of(x, f);
  FixedPointValues out{torch::empty_like(x), {}, {}};
  Tensor low, high;  // [chunks, length]
  if (rule.observe) {
    low = torch::full({layout.chunks(), layout.length}, kInfinity);
    high = torch::full({layout.chunks(), layout.length}, -kInfinity);
  }
  const float* from = x.data_ptr<float>();
  float* to = out.value.data_ptr<float>();
  float* lows = rule.observe ? low.data_ptr<float>() : nullptr;
  float* highs = rule.observe ? high.data_ptr<float>() : nullptr;
  layout.for_each_chunk([&](int64_t chunk, int64_t first, int64_t count) {
    const int64_t at = first * layout.length, column = chunk * layout.length;
    kernels::quantize(from + at, to + at, {count, layout.length}, layout.columns(),
                      kernel_rule(rule), lows ? lows + column : nullptr,
                      highs ? highs + column : nullptr);
  });
  if (rule.observe && layout.rows > 0) {
    const auto reduced = [&](const Tensor& chunks, Reduction how) {
      const Tensor columns = layout.chunks() == 1         ? chunks[0]
                             : how == Reduction::Smallest ? chunks.amin(0)
                                                          : chunks.amax(0);
      return reduce_to(layout.as_sample(columns), f.sizes(), how);
    };
    out.low = reduced(low, Reduction::Smallest);
    out.high = reduced(high, Reduction::Largest);
  }
  return out;
}

struct Gradients {
  Tensor x, f;
};

Gradients backward_on_cpu(const Tensor& x, const Tensor& f, const Tensor& gradient,
                          const FixedPointRule& rule) {
  const Layout layout = layout_of(x, f);
  const Tensor g = laid_out_as(x, gradient);
  Tensor dx = rule.relu ? torch::empty_like(x) : g;
  const Tensor error = torch::zeros({layout.chunks(), layout.length}, torch::kFloat64);
  const float* from = x.data_ptr<float>();
  const float* in = g.data_ptr<float>();
  float* to = rule.relu ? dx.data_ptr<float>() : nullptr;
  double* errors = error.data_ptr<double>();
  layout.for_each_chunk([&](int64_t chunk, int64_t first, int64_t count) {
    const int64_t at = first * layout.length;
    kernels::backward(from + at, in + at, to ? to + at : nullptr, {count, layout.length},
                      layout.columns(), kernel_rule(rule), errors + chunk * layout.length);
  });
  // Chunk by chunk, so that the order of the sum depends on the shape alone.
  double* sum = errors;
  for (int64_t chunk = 1; chunk < layout.chunks(); ++chunk)
    for (int64_t i = 0; i < layout.length; ++i) sum[i] += errors[chunk * layout.length + i];
  if (layout.rows == 0) return {dx, torch::zeros_like(f)};
  const Tensor total = reduce_to(layout.as_sample(error[0]), f.sizes(), Reduction::Sum);
  return {dx, (total * kLn2).to(torch::kFloat32)};
}

Tensor rectified(const Tensor& x, const FixedPointRule& rule) {
  if (!rule.relu) return x;
  return rule.relu_max > 0 ? x.clamp(0, rule.relu_max) : x.clamp_min(0);
}

FixedPointValues forward_anywhere(const Tensor& x, const Tensor& f, const FixedPointRule& rule) {
  const Tensor inverse = torch::exp2(fraction_bits(f));
  const Tensor v = rectified(x, rule) * inverse, below = torch::floor(v);
  const Tensor code =
      rule.rounding == Rounding::Floor ? below : below + (v - below >= 0.5).to(torch::kFloat32);
  FixedPointValues out{code / inverse, {}, {}};
  if (!rule.observe || x.numel() == 0) return out;
  out.low = reduce_to(out.value, f.sizes(), Reduction::Smallest);
  out.high = reduce_to(out.value, f.sizes(), Reduction::Largest);
  return out;
}

Gradients backward_anywhere(const Tensor& x, const Tensor& f, const Tensor& gradient,
                            const FixedPointRule& rule) {
  const Tensor y = forward_anywhere(x, f, rule).value;
  Tensor g = gradient;
  if (rule.relu) {
    Tensor passes = y > 0;
    if (rule.relu_max > 0) passes = passes & (x < rule.relu_max);
    g = torch::where(passes, gradient, torch::zeros_like(gradient));
  }
  const Tensor error = (g * (rectified(x, rule) - y)).to(torch::kFloat64);
  return {g, (reduce_to(error, f.sizes(), Reduction::Sum) * kLn2).to(torch::kFloat32)};
}

struct Quantize : Function<Quantize> {
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& f,
                               const FixedPointRule& rule) {
    const Tensor input = x.is_cpu() ? walkable(x, f) : x;
    context->save_for_backward({input, f});
    context->saved_data["floor"] = rule.rounding == Rounding::Floor;
    context->saved_data["relu"] = rule.relu;
    context->saved_data["relu_max"] = rule.relu_max;
    FixedPointValues out =
        x.is_cpu() ? forward_on_cpu(input, f, rule) : forward_anywhere(input, f, rule);
    if (!rule.observe) return {out.value};
    context->mark_non_differentiable({out.low, out.high});
    return {out.value, out.low, out.high};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const variable_list saved = context->get_saved_variables();
    FixedPointRule rule;
    rule.rounding = context->saved_data["floor"].toBool() ? Rounding::Floor : Rounding::HalfUp;
    rule.relu = context->saved_data["relu"].toBool();
    rule.relu_max = context->saved_data["relu_max"].toDouble();
    const Gradients out = saved[0].is_cpu()
                              ? backward_on_cpu(saved[0], saved[1], gradients[0], rule)
                              : backward_anywhere(saved[0], saved[1], gradients[0], rule);
    return {out.x, out.f, {}};
  }
};

}  // namespace

Tensor fraction_bits(const Tensor& f) {
  return torch::round(f.detach()).clamp(-kMostFractionBits, kMostFractionBits);
}

Tensor reduce_to(const Tensor& t, torch::IntArrayRef shape, Reduction how) {
  if (t.sizes() == shape) return t.contiguous();
  std::vector<int64_t> over;
  const auto front = t.dim() - static_cast<int64_t>(shape.size());
  for (int64_t i = 0; i < t.dim(); ++i)
    if (i < front || shape[static_cast<size_t>(i - front)] == 1) over.push_back(i);
  const Tensor reduced = how == Reduction::Sum        ? t.sum(over)
                         : how == Reduction::Smallest ? t.amin(over)
                                                      : t.amax(over);
  return reduced.reshape(shape);
}

FixedPointValues fixed_point(const Tensor& x, const Tensor& f, const FixedPointRule& rule) {
  require(rule.rounding != Rounding::HalfEven, "HGQ rounds half up or down, not half to even.");
  variable_list out = Quantize::apply(x.to(torch::kFloat32), f, rule);
  if (!rule.observe) return {out[0], {}, {}};
  return {out[0], out[1], out[2]};
}

}  // namespace quantbench::hgq
