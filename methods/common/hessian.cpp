#include "methods/common/hessian.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/interrupt.h"
#include "methods/common/signs.h"

namespace quantbench {
namespace {

constexpr double kTiny = 1e-6;  // PyHessian's guard of its divisions

Tensor gaussian(const Tensor& like, const RandomStream& stream) {
  Tensor out = torch::empty(like.sizes());
  float* data = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i)
    data[i] = static_cast<float>(stream.normal(static_cast<uint64_t>(i)));
  return out.to(like.options());
}

double inner_product(const Tensor& a, const Tensor& b) {
  return (a * b).sum(torch::kDouble).item<double>();
}

double length(const Tensor& a) { return std::sqrt(inner_product(a, a)); }

}  // namespace

BlockHessian::BlockHessian(const std::function<Tensor(const Batch&)>& loss,
                           const std::vector<Batch>& batches, std::vector<Tensor> parameters)
    : parameters_(std::move(parameters)) {
  double rows = 0;
  for (const Batch& batch : batches) rows += static_cast<double>(batch.target.size(0));
  require(rows > 0, "A Hessian needs at least one sample.");
  for (const Batch& batch : batches) {
    stop_if_interrupted("planning");
    const double share = static_cast<double>(batch.target.size(0)) / rows;
    const Tensor value = loss(batch) * share;
    loss_ += value.item<double>();
    gradients_.push_back(torch::autograd::grad({value}, parameters_, {}, /*retain_graph=*/true,
                                               /*create_graph=*/true));
  }
}

Tensor BlockHessian::product(size_t block, const Tensor& v) const {
  stop_if_interrupted("planning");
  Tensor sum;
  for (const auto& gradients : gradients_) {
    // A piecewise linear function may have no second derivative at all.
    if (!gradients[block].requires_grad()) continue;
    const Tensor part = torch::autograd::grad({gradients[block]}, {parameters_[block]}, {v},
                                              /*retain_graph=*/true, /*create_graph=*/false,
                                              /*allow_unused=*/true)[0];
    if (part.defined()) sum = sum.defined() ? sum + part : part;
  }
  return sum.defined() ? sum : torch::zeros_like(v);
}

std::vector<Tensor> BlockHessian::joint_product(const std::vector<Tensor>& v) const {
  stop_if_interrupted("planning");
  std::vector<Tensor> sum(parameters_.size());
  for (const auto& gradients : gradients_) {
    const auto parts = torch::autograd::grad(gradients, parameters_, v, true, false, true);
    for (size_t i = 0; i < sum.size(); ++i)
      if (parts[i].defined()) sum[i] = sum[i].defined() ? sum[i] + parts[i] : parts[i];
  }
  for (size_t i = 0; i < sum.size(); ++i)
    if (!sum[i].defined()) sum[i] = torch::zeros_like(v[i]);
  return sum;
}

double BlockHessian::iterate(size_t block, double shift, const RandomStream& stream, int64_t most,
                             double tolerance, int64_t& products) const {
  Tensor v = gaussian(parameters_[block], stream);
  v = v / length(v);
  double before = 0, value = 0;
  for (int64_t i = 0; i < most; ++i) {
    const Tensor u = product(block, v) + shift * v;
    ++products;
    value = inner_product(v, u);
    if (i > 0 && std::abs(value - before) / (std::abs(before) + kTiny) < tolerance) break;
    before = value;
    v = u / (length(u) + kTiny);
  }
  return value - shift;
}

Eigenvalue BlockHessian::top_eigenvalue(size_t block, const RandomStream& stream,
                                        int64_t most_products, double tolerance) const {
  Eigenvalue out;
  out.largest_abs = iterate(block, 0, stream, most_products, tolerance, out.products);
  out.largest = out.largest_abs;
  if (out.largest_abs < 0)
    out.largest = iterate(block, -out.largest_abs, stream, most_products, tolerance, out.products);
  return out;
}

double BlockHessian::trace_sample(size_t block, const RandomStream& stream, int64_t k) const {
  const Tensor& parameter = parameters_[block];
  const RandomStream own = stream.child(block).child(static_cast<uint64_t>(k));
  const Tensor v = random_signs(parameter.sizes(), own).to(parameter.options());
  return inner_product(v, product(block, v));
}

bool TraceTarget::met(const TraceEstimate& estimate, double largest) const {
  return estimate.error <= std::max(relative * std::abs(estimate.trace), of_largest * largest);
}

TraceEstimate estimate_of(const std::vector<double>& samples) {
  TraceEstimate out;
  out.samples = static_cast<int64_t>(samples.size());
  const auto n = static_cast<double>(samples.size());
  for (double sample : samples) out.trace += sample / n;
  double squares = 0;
  for (double sample : samples) squares += (sample - out.trace) * (sample - out.trace);
  out.error = n > 1 ? std::sqrt(squares / (n - 1) / n) : std::numeric_limits<double>::infinity();
  return out;
}

std::vector<TraceEstimate> hutchinson_traces(const BlockHessian& hessian,
                                             const RandomStream& stream,
                                             const TraceTarget& target) {
  std::vector<std::vector<double>> samples(hessian.blocks());
  std::vector<TraceEstimate> out(hessian.blocks());
  const auto draw = [&](size_t i) {
    const auto k = static_cast<int64_t>(samples[i].size());
    samples[i].push_back(hessian.trace_sample(i, stream, k));
    out[i] = estimate_of(samples[i]);
  };
  for (size_t i = 0; i < out.size(); ++i)
    for (int64_t k = 0; k < target.least; ++k) draw(i);
  for (bool again = true; again;) {
    again = false;
    double largest = 0;
    for (const TraceEstimate& estimate : out) largest = std::max(largest, std::abs(estimate.trace));
    for (size_t i = 0; i < out.size(); ++i)
      if (out[i].samples < target.most && !target.met(out[i], largest)) {
        draw(i);
        again = true;
      }
  }
  return out;
}

}  // namespace quantbench
