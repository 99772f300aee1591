#include "methods/alq/activation.h"

#include <algorithm>

namespace quantbench::alq {
namespace {

constexpr double kMomentum = 0.9;  // share of the old bases kept by each training step
constexpr int kFits = 10;          // of the first bases

// +-1 of each base in each level as codebook_of() orders them before sorting, with a column of ones
// for x_ref: float64 [levels, 1 + bits].
Tensor signs(int64_t bits) {
  const Tensor level = torch::arange(int64_t{1} << bits, torch::kInt64).unsqueeze(1);
  const Tensor base = torch::arange(bits, torch::kInt64).unsqueeze(0);
  const Tensor set = level.bitwise_right_shift(base).bitwise_and(1).to(torch::kFloat64);
  return torch::cat({torch::ones({level.numel(), 1}, torch::kFloat64), 2 * set - 1}, 1);
}

}  // namespace

CodebookFormat codebook_of(const SharedBases& bases) {
  const int64_t bits = bases.numel() - 1;
  CodebookFormat out;
  out.levels = std::get<0>(signs(bits).mv(bases).sort()).to(torch::kFloat32);
  out.thresholds = (out.levels.slice(0, 1) + out.levels.slice(0, 0, -1)) / 2;
  out.bits = BitWidth(bits);
  return out;
}

SharedBases refitted(const SharedBases& bases, const Tensor& x) {
  const int64_t bits = bases.numel() - 1;
  const Tensor table = signs(bits);
  const auto [levels, order] = table.mv(bases).sort();
  const Tensor ordered = table.index_select(0, order);
  const Tensor flat = x.detach().flatten().to(torch::kFloat32);
  const Tensor codes = quantize(codebook_of(bases), flat).to(torch::kInt64);
  const Tensor counts = torch::bincount(codes, {}, levels.numel()).to(torch::kFloat64);
  const Tensor sums = torch::bincount(codes, flat.to(torch::kFloat64), levels.numel());
  const Tensor left = ordered.t().mm(counts.unsqueeze(1) * ordered);
  const Tensor right = ordered.t().mv(sums);
  // A ridge towards the old bases decides what empty levels leave open.
  const double ridge = 1e-6 * std::max(1.0, counts.sum().item<double>());
  const Tensor fit = torch::mv(torch::inverse(left + ridge * torch::eye(1 + bits, torch::kFloat64)),
                               right + ridge * bases);
  return torch::isfinite(fit).all().item<bool>() ? fit : bases;
}

SharedBases fitted_bases(const Tensor& x, BitWidth bits) {
  const double largest = x.numel() > 0 ? std::max(1e-6, x.max().item<double>()) : 1;
  const auto steps = static_cast<double>(bits.levels() - 1);
  SharedBases bases = torch::full({1 + bits.bits()}, largest / 2, torch::kFloat64);
  for (int j = 0; j < bits.bits(); ++j)
    bases[1 + j] = largest / 2 * static_cast<double>(int64_t{1} << j) / steps;
  for (int i = 0; i < kFits; ++i) bases = refitted(bases, x);
  return bases;
}

SharedBasesQuantizer::SharedBasesQuantizer(const SharedBases& start, bool relu)
    : relu_(relu), bases_(register_buffer("bases", start.clone())) {}

Tensor SharedBasesQuantizer::forward(const Tensor& x, const TapContext& context) {
  Tensor real = x;
  if (context.relu) real = context.relu_max > 0 ? x.clamp(0, context.relu_max) : torch::relu(x);
  if (!is_training() || x.numel() == 0) return quantbench::apply(format(), real);
  {
    const torch::NoGradGuard no_grad;
    bases_.mul_(kMomentum).add_(refitted(bases_, real), 1 - kMomentum);
  }
  const CodebookFormat now = codebook_of(bases_);
  const Tensor within = real.clamp(now.levels[0].item<double>(), now.levels[-1].item<double>());
  return within + (quantbench::apply(now, real) - within).detach();
}

}  // namespace quantbench::alq
