// The quantizer of RQ, SRQ and DropBits: a grid alpha * {low..high} under logistic noise of scale
// sigma, both learned as logarithms.
#pragma once

#include "methods/quantizer.h"
#include "methods/srq_dropbits/masks.h"

namespace quantbench::srq {

struct QuantizerRule {
  enum class Estimator {
    Srq,   // the most probable point, gradients of the categorical mean
    Rq,    // a Gumbel-softmax sample
    RqSt,  // its most probable point, gradients of the sample
  };
  Estimator estimator = Estimator::Srq;
  bool only_chosen = false;  // Srq: gradient through the chosen point's probability alone
  double temperature = 1;    // Rq, RqSt: of the softmax (lambda)
  double local = 3;          // Rq, RqSt: points within so many sigma (delta)
  double least_sigma = 0.05, most_sigma = 2;  // in steps alpha of the grid
};

class SrqQuantizer : public Quantizer {
 public:
  // Starts at step `alpha` > 0 with sigma = `sigma` * alpha. `masks`: of a weight, or none.
  SrqQuantizer(double alpha, double sigma, BitWidth bits, bool is_signed, bool absorbs_relu,
               const QuantizerRule& rule, std::shared_ptr<DropMasks> masks = nullptr);

  // The step with the least squared error on `sample`.
  static double least_squares_step(const Tensor& sample, BitWidth bits, bool is_signed);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return absorbs_relu_; }
  bool takes_bf16() const override { return true; }
  Format format() const override;
  Encoding encode(const Tensor& weight) const override;
  BitWidth bit_width() const override { return bits_; }

  // New masks and new noise until the next call.
  void draw(const RandomStream& stream);
  // Keeps sigma within its bounds.
  void limit();
  // From now on the masks stay as they would be in evaluation (true), in training, too.
  void settle(bool on) { settled_.fill_(on ? 1 : 0); }

  const std::shared_ptr<DropMasks>& masks() const { return masks_; }
  std::vector<Tensor> grid_parameters() const { return {log_alpha_, log_sigma_}; }
  double alpha() const;
  double sigma_in_steps() const;
  // The bits of the grid's points that the masks leave: no more than bit_width().
  BitWidth surviving_bits() const;

 private:
  Tensor point_masks() const;                   // of this step; undefined: all one
  Tensor kept_integers(const Tensor& x) const;  // nearest settled points of x, int32

  BitWidth bits_;
  bool signed_, absorbs_relu_;
  int64_t low_, high_;
  QuantizerRule rule_;
  std::shared_ptr<DropMasks> masks_;
  Tensor log_alpha_, log_sigma_;  // parameters [1]
  Tensor settled_;                // buffer [1], 0 or 1
  RandomStream stream_{0, "method"};
};

}  // namespace quantbench::srq
