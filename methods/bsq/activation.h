// BSQ's activations: a fixed number of bits everywhere, over a clipped ReLU (the public code's
// rule; the paper takes it from PACT and DoReFa).
#pragma once

#include "methods/quantizer.h"

namespace quantbench::bsq {

enum class ActivationRange {
  Batch,  // in training the largest value of the batch; in evaluation its moving average
  Fixed,  // where the clip is
};

// At the output of a ReLU, whose work it does. From 4 bits up values are clipped at 6, below at a
// learned limit that starts at 10 (PACT, Choi et al. 2018).
class ClippedQuantizer : public Quantizer {
 public:
  ClippedQuantizer(BitWidth bits, ActivationRange range);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return true; }
  bool takes_bf16() const override { return !limit_.defined(); }
  Format format() const override;
  BitWidth bit_width() const override { return bits_; }

 private:
  Tensor quantize_batch(const Tensor& x);
  double limit() const;

  BitWidth bits_;
  ActivationRange range_;
  Tensor limit_;    // parameter float32 [1] if it learns, else undefined
  Tensor largest_;  // buffer float32 [1]: the moving average, 0 before the first batch
};

}  // namespace quantbench::bsq
