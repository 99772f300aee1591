// The quantizers of the rules that learn: LSQ's step, PACT's clip, DoReFa's bounded weights.
#pragma once

#include "methods/common/fake_quantize.h"
#include "methods/quantizer.h"

namespace quantbench {

// LSQ (Esser et al. 2020) on a weight or an activation.
class LsqQuantizer : public Quantizer {
 public:
  // `scale`: where the learned step starts, float32 [1] or [channels]. `grid`: the rest.
  LsqQuantizer(const Tensor& scale, const UniformFormat& grid, bool is_weight, bool absorbs_relu);

  // The grid for `bits`: unsigned, signed with all codes (Q_N = 2^(b-1)), or the two levels -1 and
  // +1 for signed with one bit. `scales`: how many steps there will be.
  static UniformFormat grid(BitWidth bits, bool is_signed, Granularity granularity, int64_t scales);
  // Where the step starts: 2 <|x|> / sqrt(Q_P) (section 2.1); <|x|> for the levels -1 and +1.
  static Tensor initial_scale(const Tensor& mean_magnitude, const UniformFormat& grid);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return absorbs_relu_; }
  bool takes_bf16() const override { return true; }
  Format format() const override { return with_scale(grid_, scale_); }
  BitWidth bit_width() const override;

 private:
  UniformFormat grid_;
  bool is_weight_, absorbs_relu_;
  double largest_;  // Q_P
  Tensor scale_;    // parameter
};

// PACT (Choi et al. 2018) at the output of a ReLU.
class PactQuantizer : public Quantizer {
 public:
  PactQuantizer(double alpha, BitWidth bits);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return true; }
  bool takes_bf16() const override { return true; }
  Format format() const override { return pact_format(alpha_, bits_); }
  BitWidth bit_width() const override { return bits_; }

 private:
  BitWidth bits_;
  Tensor alpha_;  // parameter, [1]
};

// DoReFa's weights of 2 bits and more (Zhou et al. 2016, eq. 9). One bit is a RangeWeightQuantizer
// over the whole tensor (eq. 8).
class DorefaWeightQuantizer : public Quantizer {
 public:
  explicit DorefaWeightQuantizer(BitWidth bits) : bits_(bits) {}

  Tensor forward(const Tensor& x, const TapContext& context) override;
  Format format() const override { return dorefa_format(bits_); }
  Encoding encode(const Tensor& weight) const override;
  BitWidth bit_width() const override { return bits_; }

 private:
  BitWidth bits_;
};

}  // namespace quantbench
