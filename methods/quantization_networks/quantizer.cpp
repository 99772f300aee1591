#include "methods/quantization_networks/quantizer.h"

#include <cmath>

namespace quantbench::qn {

StaircaseQuantizer::StaircaseQuantizer(std::vector<double> levels, const Start& start,
                                       BitWidth bits, bool is_weight, bool absorbs_relu)
    : levels_(std::move(levels)),
      bits_(bits),
      is_weight_(is_weight),
      absorbs_relu_(absorbs_relu),
      log_alpha_(register_parameter("log_alpha", torch::zeros({1}))),
      log_beta_(register_parameter("log_beta", torch::zeros({1}))),
      thresholds_(register_buffer(
          "thresholds", torch::zeros({static_cast<int64_t>(levels_.size()) - 1}, torch::kFloat64))),
      on_(register_buffer("on", torch::ones({1}))) {
  start_again(start);
}

void StaircaseQuantizer::start_again(const Start& start) {
  const torch::NoGradGuard no_grad;
  log_alpha_.fill_(std::log(start.alpha));
  log_beta_.fill_(std::log(start.beta));
  thresholds_.copy_(torch::tensor(start.thresholds, torch::kFloat64));
}

Staircase StaircaseQuantizer::staircase() const {
  const Tensor here = thresholds_.cpu();
  return Staircase::between(levels_,
                            {here.data_ptr<double>(), here.data_ptr<double>() + here.numel()});
}

CodebookFormat StaircaseQuantizer::hard() const {
  const torch::NoGradGuard no_grad;
  const Tensor y = torch::tensor(levels_, torch::kFloat32).to(log_alpha_.device());
  CodebookFormat out;
  out.levels = y * log_alpha_.exp();
  out.thresholds = (thresholds_ / log_beta_.to(torch::kFloat64).exp()).to(torch::kFloat32);
  out.bits = bits_;
  return out;
}

Tensor StaircaseQuantizer::forward(const Tensor& x, const TapContext& context) {
  const auto rectifier = rectifier_of(context);
  if (on_.item<float>() == 0) {
    if (!context.relu) return x;
    return context.relu_max > 0 ? torch::clamp(x, 0, context.relu_max) : torch::relu(x);
  }
  if (!is_training()) return hard_steps(x, hard(), rectifier);
  return soft_staircase(x, log_alpha_.exp(), log_beta_.exp(), staircase(), softness_, rectifier);
}

Format StaircaseQuantizer::format() const {
  CodebookFormat out = hard();
  if (is_weight_) out.thresholds = Tensor();
  return out;
}

Encoding StaircaseQuantizer::encode(const Tensor& weight) const {
  const CodebookFormat steps = hard();
  CodebookFormat stored = steps;
  stored.thresholds = Tensor();
  return CodebookEncoding{stored, quantize(steps, weight)};
}

}  // namespace quantbench::qn
