#include "methods/alq/quantizer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <functional>
#include <type_traits>

namespace quantbench::alq {
namespace {

constexpr int64_t kWeightsATask = 16384;

int64_t grain(int64_t length) { return std::max<int64_t>(1, kWeightsATask / length); }

}  // namespace

Sketched sketch(const Groups& groups, const Tensor& weight, int most) {
  const Tensor values = gather(groups, weight.detach());
  Sketched out;
  out.counts = torch::zeros({groups.count}, torch::kUInt8);
  out.patterns = torch::zeros({groups.count, groups.length}, torch::kUInt8);
  out.coordinates = torch::zeros({groups.count, most});
  at::parallel_for(0, groups.count, grain(groups.length), [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      const kernels::Sketch found =
          kernels::sketch(values.data_ptr<float>() + g * groups.length, groups.length, most,
                          out.patterns.data_ptr<uint8_t>() + g * groups.length);
      out.counts.data_ptr<uint8_t>()[g] = static_cast<uint8_t>(found.bases);
      for (int i = 0; i < found.bases; ++i)
        out.coordinates.data_ptr<float>()[g * most + i] = static_cast<float>(found.coordinates[i]);
    }
  });
  return out;
}

MultiBitQuantizer::MultiBitQuantizer(Groups groups, int width, const Sketched* start,
                                     bool with_latent)
    : groups_(std::move(groups)), width_(width) {
  const std::vector<int64_t> of_weights{groups_.count, groups_.length};
  const std::vector<int64_t> of_bases{groups_.count, width};
  const auto buffer = [&](const char* name, const std::vector<int64_t>& shape,
                          torch::ScalarType type = torch::kFloat32) {
    return register_buffer(name, torch::zeros(shape, type));
  };
  counts_ = buffer("counts", {groups_.count}, torch::kUInt8);
  patterns_ = buffer("patterns", of_weights, torch::kUInt8);
  coordinates_ = buffer("coordinates", of_bases);
  values_ = buffer("values", of_weights);
  first_ = buffer("first", of_weights);
  second_ = buffer("second", of_weights);
  largest_ = buffer("largest", of_weights);
  coordinate_first_ = buffer("coordinate_first", of_bases);
  coordinate_second_ = buffer("coordinate_second", of_bases);
  coordinate_largest_ = buffer("coordinate_largest", of_bases);
  steps_ = buffer("steps", {1}, torch::kInt64);
  leaf_ = as_weight(groups_, values_).detach().requires_grad_(true);
  if (start != nullptr) {
    counts_.copy_(start->counts);
    patterns_.copy_(start->patterns);
    coordinates_.copy_(start->coordinates);
    over_groups([](const kernels::Layer& of, int64_t group) { kernels::rebuild(of, group); });
  }
  if (with_latent) start_latent();
}

void MultiBitQuantizer::start_latent() {
  if (!latent_.defined()) latent_ = register_buffer("latent", values_.clone());
}

kernels::Layer MultiBitQuantizer::layer() const {
  kernels::Layer out;
  out.length = groups_.length;
  out.width = width_;
  out.counts = counts_.data_ptr<uint8_t>();
  out.patterns = patterns_.data_ptr<uint8_t>();
  out.coordinates = coordinates_.data_ptr<float>();
  out.weight = values_.data_ptr<float>();
  if (latent_.defined()) out.latent = latent_.data_ptr<float>();
  out.weights = {first_.data_ptr<float>(), second_.data_ptr<float>(), largest_.data_ptr<float>()};
  out.coordinate_moments = {coordinate_first_.data_ptr<float>(),
                            coordinate_second_.data_ptr<float>(),
                            coordinate_largest_.data_ptr<float>()};
  return out;
}

template <typename Body>
void MultiBitQuantizer::over_groups(const Body& body) const {
  const kernels::Layer of = layer();
  at::parallel_for(0, groups_.count, grain(groups_.length), [&](int64_t begin, int64_t end) {
    if constexpr (std::is_invocable_v<Body, const kernels::Layer&, int64_t, int64_t>)
      body(of, begin, end);
    else
      for (int64_t group = begin; group < end; ++group) body(of, group);
  });
}

Tensor MultiBitQuantizer::forward(const Tensor&, const TapContext&) {
  if (!is_training() && !torch::GradMode::is_enabled()) return as_weight(groups_, values_);
  return leaf_;
}

Tensor MultiBitQuantizer::take_gradient() {
  if (!leaf_.grad().defined()) return {};
  const Tensor gradient = gather(groups_, leaf_.grad());
  leaf_.mutable_grad().reset();
  ++steps_.data_ptr<int64_t>()[0];
  return gradient;
}

void MultiBitQuantizer::step_bases(double learning_rate) {
  const torch::NoGradGuard no_grad;
  const Tensor gradient = take_gradient();
  if (!gradient.defined()) return;
  const kernels::Amsgrad amsgrad(learning_rate, steps_.item<int64_t>());
  over_groups([&](const kernels::Layer& of, int64_t begin, int64_t end) {
    kernels::basis_step(of, begin, end, gradient.data_ptr<float>(), amsgrad);
  });
}

void MultiBitQuantizer::step_coordinates(double learning_rate, double weight_decay) {
  const torch::NoGradGuard no_grad;
  const Tensor gradient = take_gradient();
  if (!gradient.defined()) return;
  const kernels::Amsgrad amsgrad(learning_rate, steps_.item<int64_t>());
  over_groups([&](const kernels::Layer& of, int64_t begin, int64_t end) {
    kernels::coordinate_step(of, begin, end, gradient.data_ptr<float>(), amsgrad,
                             static_cast<float>(weight_decay), /*move=*/true);
  });
}

void MultiBitQuantizer::step_moments() {
  const torch::NoGradGuard no_grad;
  const Tensor gradient = take_gradient();
  if (!gradient.defined()) return;
  const kernels::Amsgrad amsgrad(0, steps_.item<int64_t>());
  over_groups([&](const kernels::Layer& of, int64_t begin, int64_t end) {
    kernels::coordinate_step(of, begin, end, gradient.data_ptr<float>(), amsgrad, 0,
                             /*move=*/false);
  });
}

void MultiBitQuantizer::refresh_coordinate_moments() {
  over_groups([](const kernels::Layer& of, int64_t group) {
    kernels::refresh_coordinate_moments(of, group);
  });
}

std::vector<double> MultiBitQuantizer::removal_costs(double learning_rate) const {
  const kernels::Amsgrad amsgrad(learning_rate, std::max<int64_t>(1, steps_.item<int64_t>()));
  const kernels::Layer of = layer();
  std::vector<double> out(static_cast<size_t>(groups_.count * width_));
  for (size_t slot = 0; slot < out.size(); ++slot)
    out[slot] =
        kernels::removal_cost(static_cast<double>(of.coordinates[slot]),
                              static_cast<double>(of.coordinate_moments.first[slot]),
                              static_cast<double>(of.coordinate_moments.largest[slot]), amsgrad);
  return out;
}

void MultiBitQuantizer::remove(std::vector<int64_t> slots) {
  // From the last to the first, so that no slot moves before its turn.
  std::sort(slots.begin(), slots.end(), std::greater<>());
  for (size_t i = 0; i < slots.size(); ++i) {
    const int64_t group = slots[i] / width_;
    kernels::drop_base(layer(), group, static_cast<int>(slots[i] % width_));
    if (i + 1 == slots.size() || slots[i + 1] / width_ != group) kernels::rebuild(layer(), group);
  }
}

int64_t MultiBitQuantizer::bases() const { return counts_.sum(torch::kInt64).item<int64_t>(); }

double MultiBitQuantizer::sign_bits() const {
  return static_cast<double>(bases()) * static_cast<double>(groups_.length);
}

Encoding MultiBitQuantizer::encode(const Tensor&) const {
  MultiBitEncoding out;
  out.grouping = groups_.grouping;
  out.parts = groups_.parts;
  out.shape = groups_.shape;
  out.counts = counts_.clone();
  const int64_t total = bases();
  out.coefficients = torch::empty({total});
  out.signs = torch::empty({total, groups_.length}, torch::kBool);
  const kernels::Layer of = layer();
  int64_t at = 0;
  for (int64_t group = 0; group < groups_.count; ++group)
    for (int base = 0; base < of.counts[group]; ++base, ++at) {
      out.coefficients.data_ptr<float>()[at] = of.coordinates[group * width_ + base];
      bool* sign = out.signs.data_ptr<bool>() + at * groups_.length;
      const uint8_t* pattern = of.patterns + group * groups_.length;
      for (int64_t j = 0; j < groups_.length; ++j) sign[j] = ((pattern[j] >> base) & 1) != 0;
    }
  return out;
}

}  // namespace quantbench::alq
