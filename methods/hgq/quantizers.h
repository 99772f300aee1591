// The quantizers of HGQ: weights and activations with fractional bits f that learn, biases on the
// grid of what comes next. f is a parameter, float32, with the shape of what it is chosen for: an
// element, a channel or a whole tensor.
#pragma once

#include "methods/hgq/fixed_point.h"
#include "methods/quantizer.h"

namespace quantbench::hgq {

// A weight. f: [out, in, ...] or 1 in the dimensions that share it.
class WeightQuantizer : public Quantizer {
 public:
  // init_bits - log2 |w| (of the largest |w| of what shares an f), so that a weight starts with
  // that many significant bits whatever its size.
  static Tensor initial_fraction(const Tensor& weight, torch::IntArrayRef shape, double init_bits);

  explicit WeightQuantizer(const Tensor& f);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  // The grid of each element; how many codes it needs follows from the weights: see encode().
  Format format() const override;
  // Every weight at its own width: sign and the bits from the highest to the lowest that is set.
  // Weights that share an f share a width.
  Encoding encode(const Tensor& weight) const override;
  BitWidth bit_width() const override { return BitWidth(16); }

  Tensor& fraction() { return f_; }
  // Of the last forward(): its values, and their widths for the loss (see widths.h). Weights that
  // share an f are charged the width of the widest.
  const Tensor& quantized() const { return quantized_; }
  Tensor estimated_bits(double share) const;
  // Lowers f where a weight would not fit 16 bits.
  virtual void limit(const Tensor& weight);

 private:
  Tensor f_;          // parameter
  Tensor quantized_;  // detached
};

struct ActivationRule {
  bool relu = false;  // it sits at the output of a ReLU and does its work
  Rounding rounding = Rounding::HalfUp;
  Overflow overflow = Overflow::Wrap;
  double cover = 1;  // how much wider than what was seen the range is made
};

// An activation. f: [1], [features], [C, 1, 1] or [C, H, W]. In training nothing overflows and the
// range is measured; in evaluation the integer bits are those of the range seen last, so that an
// overflow shows.
class ActivationQuantizer : public Quantizer {
 public:
  ActivationQuantizer(const Tensor& f, const ActivationRule& rule);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return rule_.relu; }
  // Throws Error before a range was seen.
  Format format() const override;
  BitWidth bit_width() const override { return BitWidth(16); }

  Tensor& fraction() { return f_; }
  void forget_range();
  // While on, evaluation measures the range, too, and nothing overflows.
  void calibrate(bool on) { calibrating_ = on; }
  bool calibrated() const;
  Tensor estimated_bits(double share) const;
  Tensor exact_bits() const;  // k + i + F, float32, f's shape
  // Lowers f where a value would not fit 16 bits; whether it did.
  bool limit();

 private:
  struct Grid {
    Tensor low, high, fraction;
  };
  Grid grid() const;

  ActivationRule rule_;
  bool calibrating_ = false;
  Tensor f_;           // parameter
  Tensor low_, high_;  // buffers: of the quantized values, since forget_range()
};

// A bias, on the finest grid that the quantizer behind its sum has in each channel; its rounding
// error has a gradient to that grid's f.
class BiasQuantizer : public Quantizer {
 public:
  explicit BiasQuantizer(std::shared_ptr<ActivationQuantizer> next) : next_({std::move(next)}) {}

  Tensor forward(const Tensor& x, const TapContext& context) override;
  Format format() const override;
  Encoding encode(const Tensor& bias) const override;
  BitWidth bit_width() const override { return BitWidth(16); }

 private:
  // f of each channel, as it is learned.
  Tensor fraction(const Tensor& bias) const;

  // In a list, for it is no submodule of this one.
  std::vector<std::shared_ptr<ActivationQuantizer>> next_;
};

}  // namespace quantbench::hgq
