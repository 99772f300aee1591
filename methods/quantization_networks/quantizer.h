// The quantizer of Quantization Networks: a soft staircase in training, its hard steps otherwise.
#pragma once

#include "methods/common/soft_staircase.h"
#include "methods/quantization_networks/levels.h"
#include "methods/quantizer.h"

namespace quantbench::qn {

class StaircaseQuantizer : public Quantizer {
 public:
  // On a weight, or on an activation that may stand at the output of a ReLU. Starts as `start`.
  StaircaseQuantizer(std::vector<double> levels, const Start& start, BitWidth bits, bool is_weight,
                     bool absorbs_relu);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return absorbs_relu_; }
  bool takes_bf16() const override { return true; }
  Format format() const override;
  Encoding encode(const Tensor& weight) const override;
  BitWidth bit_width() const override { return bits_; }

  // While off, values pass as they are (through their ReLU).
  void switch_on(bool on) { on_.fill_(on ? 1 : 0); }
  void soften(const Softness& softness) { softness_ = softness; }
  void start_again(const Start& start);

  bool is_weight() const { return is_weight_; }
  const std::vector<double>& levels() const { return levels_; }
  std::vector<Tensor> scales() const { return {log_alpha_, log_beta_}; }
  double alpha() const { return log_alpha_.detach().exp().item<double>(); }
  double beta() const { return log_beta_.detach().exp().item<double>(); }
  Staircase staircase() const;

 private:
  CodebookFormat hard() const;  // with thresholds

  std::vector<double> levels_;
  BitWidth bits_;
  bool is_weight_, absorbs_relu_;
  Softness softness_;
  Tensor log_alpha_, log_beta_;  // parameters [1]
  Tensor thresholds_;            // buffer float64 [levels - 1], in the scaled coordinate; frozen
  Tensor on_;                    // buffer [1], 0 or 1
};

}  // namespace quantbench::qn
