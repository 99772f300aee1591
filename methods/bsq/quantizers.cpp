#include "methods/bsq/quantizers.h"

#include <cmath>

#include "methods/common/custom_gradient.h"
#include "methods/common/parallel.h"

namespace quantbench::bsq {
namespace {

// A scale that reached zero would never come back, and no format may have it.
constexpr double kLeastScale = 1e-12;

// One sum for each run, added in the order of the runs whatever thread made them.
double total(const std::vector<double>& sums) {
  double out = 0;
  for (double sum : sums) out += sum;
  return out;
}

double inner_product(const Tensor& a, const Tensor& b) {
  const Runs runs(a, 1);
  std::vector<double> sums(static_cast<size_t>(runs.count()));
  runs.for_each([&](int64_t run, int64_t, int64_t first, int64_t count) {
    sums[static_cast<size_t>(run)] =
        kernels::dot(a.data_ptr<float>() + first, b.data_ptr<float>() + first, count);
  });
  return total(sums);
}

}  // namespace

MagnitudeQuantizer::MagnitudeQuantizer(const Magnitudes& weights) {
  require(weights.codes.is_cpu(), "Method bsq keeps its bit planes in the CPU's memory only.");
  weight_ = register_buffer("weight", torch::zeros(weights.codes.sizes()));
  scale_ = register_buffer("scale", torch::full({1}, weights.scale, torch::kFloat64));
  scale_momentum_ = register_buffer("scale_momentum", torch::zeros({1}, torch::kFloat64));
  leaf_ = weight_.detach().requires_grad_(true);
}

float MagnitudeQuantizer::grid_step() const {
  return static_cast<float>(Magnitudes{bits(), scale(), {}}.step());
}

Tensor MagnitudeQuantizer::forward(const Tensor&, const TapContext&) {
  if (!is_training() || !torch::GradMode::is_enabled()) return weight_;
  return leaf_;
}

Format MagnitudeQuantizer::format() const {
  UniformFormat out;
  out.scale = torch::full({1}, grid_step(), torch::kFloat32);
  out.zero_point = torch::zeros({1}, torch::kInt32);
  out.bits = torch::full({1}, bit_width().bits(), torch::kUInt8);
  out.is_signed = true;
  out.narrow = true;
  return out;
}

Magnitudes MagnitudeQuantizer::magnitudes() const {
  const torch::NoGradGuard no_grad;
  return {bits(), scale(), torch::round(weight_ / grid_step()).to(torch::kInt32)};
}

Encoding MagnitudeQuantizer::encode(const Tensor&) const {
  return UniformEncoding{std::get<UniformFormat>(format()), magnitudes().codes};
}

void MagnitudeQuantizer::step(const kernels::Sgd& sgd, double lasso) {
  const torch::NoGradGuard no_grad;
  if (!leaf_.grad().defined()) return;
  const Tensor gradient = laid_out_as(weight_, leaf_.grad());
  leaf_.mutable_grad().reset();
  if (bits() == 0) return;
  const float factor = grid_step();
  // dL/ds = sum G u, with u = w / s. It is the one sum that the sweep has to wait for.
  double& scale = scale_.data_ptr<double>()[0];
  double& momentum = scale_momentum_.data_ptr<double>()[0];
  const double slope = inner_product(gradient, weight_) / scale + sgd.weight_decay * scale;
  momentum = sgd.momentum * momentum + slope;
  scale = std::max(kLeastScale, scale - sgd.rate * momentum);
  update(gradient, factor, sgd, lasso);
}

PlaneQuantizer::PlaneQuantizer(const Magnitudes& weights) : MagnitudeQuantizer(weights) {
  const BitPlanes planes = planes_of(weights);
  positive_ = register_buffer("positive", planes.positive.contiguous());
  negative_ = register_buffer("negative", planes.negative.contiguous());
  positive_momentum_ = register_buffer("positive_momentum", torch::zeros_like(positive_));
  negative_momentum_ = register_buffer("negative_momentum", torch::zeros_like(negative_));
  energies_ = register_buffer(
      "energies",
      (positive_.square() + negative_.square()).sum(1, /*keepdim=*/false, torch::kFloat64));
  weight_.copy_(weights.codes.to(torch::kFloat32) * grid_step());
}

kernels::Plane PlaneQuantizer::plane(int64_t bit, int64_t first) const {
  const int64_t at = bit * elements() + first;
  const auto data = [at](const Tensor& t) { return t.data_ptr<float>() + at; };
  kernels::Plane out{data(positive_), data(negative_), data(positive_momentum_),
                     data(negative_momentum_)};
  out.value = std::ldexp(1.0f, static_cast<int>(bit));
  return out;
}

void PlaneQuantizer::update(const Tensor& gradient, float factor, const kernels::Sgd& sgd,
                            double lasso) {
  const int64_t count = bits();
  const Runs runs(weight_, 1);
  std::vector<float> price(static_cast<size_t>(count));
  double* energy = energies_.data_ptr<double>();
  for (int64_t b = 0; b < count; ++b)
    price[static_cast<size_t>(b)] = static_cast<float>(lasso / std::sqrt(1e-8 + energy[b]));
  Tensor energies = torch::empty({count, runs.count()}, torch::kFloat64);
  const auto largest = static_cast<float>(largest_code(bits()));
  const float step = grid_step();
  runs.for_each([&](int64_t run, int64_t, int64_t first, int64_t length) {
    float sum[Runs::kLongest] = {};
    const float* g = gradient.data_ptr<float>() + first;
    for (int64_t b = 0; b < count; ++b) {
      kernels::Plane of = plane(b, first);
      of.gradient = of.value * factor;
      of.lasso = price[static_cast<size_t>(b)];
      energies.data_ptr<double>()[b * runs.count() + run] =
          kernels::update_plane(of, sgd, g, sum, length);
    }
    kernels::round_to_grid(sum, weight_.data_ptr<float>() + first, length, 1, largest, step);
  });
  for (int64_t b = 0; b < count; ++b) {
    energy[b] = 0;
    for (int64_t run = 0; run < runs.count(); ++run)
      energy[b] += energies.data_ptr<double>()[b * runs.count() + run];
  }
}

void PlaneQuantizer::inherit(const PlaneQuantizer& before, int low) {
  const torch::NoGradGuard no_grad;
  const int64_t kept = std::min<int64_t>(bits(), before.bits() - low);
  if (kept <= 0) return;
  positive_momentum_.narrow(0, 0, kept).copy_(before.positive_momentum_.narrow(0, low, kept));
  negative_momentum_.narrow(0, 0, kept).copy_(before.negative_momentum_.narrow(0, low, kept));
}

LatentQuantizer::LatentQuantizer(const Magnitudes& weights, const Tensor& latent)
    : MagnitudeQuantizer(weights), bits_(weights.bits) {
  const double largest = static_cast<double>(std::max<int64_t>(1, largest_code(bits_)));
  const Tensor start = latent.defined() ? latent.detach().to(torch::kFloat32)
                                        : (weights.codes / largest).to(torch::kFloat32);
  latent_ = register_buffer("latent", start.contiguous().clone());
  momentum_ = register_buffer("momentum", torch::zeros_like(latent_));
  round();
}

void LatentQuantizer::update(const Tensor& gradient, float factor, const kernels::Sgd& sgd,
                             double) {
  const Runs runs(weight_, 1);
  // u is w itself but for rounding: dL/dw = s G.
  const float slope = factor * static_cast<float>(largest_code(bits_));
  runs.for_each([&](int64_t, int64_t, int64_t first, int64_t count) {
    kernels::update_latent(latent_.data_ptr<float>() + first, momentum_.data_ptr<float>() + first,
                           gradient.data_ptr<float>() + first, count, sgd, slope);
  });
  round();
}

void LatentQuantizer::round() {
  const auto largest = static_cast<float>(largest_code(bits_));
  kernels::round_to_grid(latent_.data_ptr<float>(), weight_.data_ptr<float>(), weight_.numel(),
                         largest, largest, grid_step());
}

}  // namespace quantbench::bsq
