// Quantizers whose grid comes from a range of values, with the straight-through gradient.
#pragma once

#include "methods/common/fake_quantize.h"
#include "methods/common/range.h"
#include "methods/quantizer.h"

namespace quantbench {

// A weight. Its range is fixed (post-training), or follows the weight: then it is a function of the
// weight alone (min-max; mean |w| for one bit), in training, evaluation and encode() alike.
class RangeWeightQuantizer : public Quantizer {
 public:
  enum class Follow { Fixed, Weight };

  // `range` is in force until the first forward(); its granularity stays.
  RangeWeightQuantizer(const Range& range, BitWidth bits, Scheme scheme, Follow follow);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  Format format() const override;
  Encoding encode(const Tensor& weight) const override;
  BitWidth bit_width() const override { return bits_; }

 private:
  Range range_of(const Tensor& weight) const;

  BitWidth bits_;
  Scheme scheme_;
  Follow follow_;
  Granularity granularity_;
  Tensor low_, high_;  // buffers
};

// An activation, one affine grid for the whole tensor. Its range is fixed, or follows an
// exponential moving average of the batches seen in training.
class RangeActivationQuantizer : public Quantizer {
 public:
  enum class Follow { Fixed, MovingAverage };
  static constexpr double kMomentum = 0.01;  // share of the new batch in each training step

  // `absorbs_relu`: it sits at the output of a ReLU and does its work.
  RangeActivationQuantizer(const Range& range, BitWidth bits, bool absorbs_relu, Follow follow);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return absorbs_relu_; }
  bool takes_bf16() const override { return true; }
  Format format() const override;
  BitWidth bit_width() const override { return bits_; }

 private:
  BitWidth bits_;
  bool absorbs_relu_;
  Follow follow_;
  Tensor low_, high_;  // buffers
};

}  // namespace quantbench
