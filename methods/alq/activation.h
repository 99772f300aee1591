// Activations as a reference value and a few binary bases with coordinates that the whole tensor
// shares: x ~ x_ref + sum_j +-beta_j. The paper quantizes activations so, but neither its update
// rule nor code for it is public: what follows is our own design.
#pragma once

#include "methods/quantizer.h"

namespace quantbench::alq {

// x_ref and beta, float64 [1 + bits].
using SharedBases = Tensor;

// The 2^bits levels, ascending, and the middles between them.
CodebookFormat codebook_of(const SharedBases& bases);

// Levels evenly from 0 to the largest value of `x`, then fitted to it several times over.
SharedBases fitted_bases(const Tensor& x, BitWidth bits);

// x_ref and beta of least squares for the values of `x` at their nearest levels. What the values do
// not determine stays.
SharedBases refitted(const SharedBases& bases, const Tensor& x);

// In training the bases follow the batches as a running mean; in evaluation they stay. The gradient
// passes between the outermost levels.
class SharedBasesQuantizer : public Quantizer {
 public:
  // `relu`: it sits at the output of a ReLU and does its work.
  SharedBasesQuantizer(const SharedBases& start, bool relu);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return relu_; }
  Format format() const override { return codebook_of(bases_); }
  BitWidth bit_width() const override { return BitWidth(bases_.numel() - 1); }

 private:
  bool relu_;
  Tensor bases_;  // buffer, float64 [1 + bits]
};

}  // namespace quantbench::alq
