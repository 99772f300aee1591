// The weights of BSQ while they train: as bit planes, whose number falls, or, once the precision is
// settled, as bounded latent weights. Both make their own SGD step in one sweep over memory, and
// the weight that the network computes with is ready before the next forward pass.
#pragma once

#include "methods/bsq/kernels.h"
#include "methods/bsq/precision.h"
#include "methods/quantizer.h"

namespace quantbench::bsq {

// A weight or bias on the grid scale / (2^bits - 1) * {-(2^bits - 1) .. 2^bits - 1}. What it taps
// is ignored: the values are its own.
class MagnitudeQuantizer : public Quantizer {
 public:
  // The values, on the grid. In training leaf(), whose gradient step() reads.
  Tensor forward(const Tensor& x, const TapContext& context) override;
  Format format() const override;
  Encoding encode(const Tensor& weight) const override;
  BitWidth bit_width() const override { return BitWidth(bits() == 0 ? 0 : bits() + 1); }

  virtual int bits() const = 0;  // of the magnitude
  double scale() const { return scale_.data_ptr<double>()[0]; }
  int64_t elements() const { return weight_.numel(); }
  Magnitudes magnitudes() const;

  const Tensor& leaf() const { return leaf_; }

  // One step from the gradient that leaf() has gathered, if there is one. `lasso`: the price of a
  // plane's length, alpha * c.
  void step(const kernels::Sgd& sgd, double lasso);

 protected:
  explicit MagnitudeQuantizer(const Magnitudes& weights);

  // From `gradient`, in the weight's memory order, with `factor` = ds/dw; writes weight_.
  virtual void update(const Tensor& gradient, float factor, const kernels::Sgd& sgd,
                      double lasso) = 0;
  // The float that one code is worth.
  float grid_step() const;

  Tensor weight_;  // buffer, float32

 private:
  Tensor scale_, scale_momentum_;  // buffers, float64 [1]
  Tensor leaf_;                    // shares memory with weight_
};

// Every bit is a variable in [0, 2] (section 3.1), stored plane by plane.
class PlaneQuantizer : public MagnitudeQuantizer {
 public:
  explicit PlaneQuantizer(const Magnitudes& weights);

  int bits() const override { return static_cast<int>(positive_.size(0)); }
  BitPlanes planes() const { return {positive_, negative_}; }
  BitPlanes momenta() const { return {positive_momentum_, negative_momentum_}; }
  // sum P^2 + sum N^2 of each plane.
  const Tensor& energies() const { return energies_; }

  // Takes the momenta of what `before` were before `low` planes were dropped from its bottom.
  void inherit(const PlaneQuantizer& before, int low);

 protected:
  void update(const Tensor& gradient, float factor, const kernels::Sgd& sgd, double lasso) override;

 private:
  kernels::Plane plane(int64_t bit, int64_t first) const;

  Tensor positive_, negative_, positive_momentum_, negative_momentum_;  // buffers [bits, weights]
  Tensor energies_;                                                     // buffer, float64 [bits]
};

// Latent weights in [-1, 1], rounded to a grid that stays (the paper's fine-tuning, DoReFa's
// quantizer without its tanh).
class LatentQuantizer : public MagnitudeQuantizer {
 public:
  // On the grid, or, where `latent` is given, at those values of w / scale.
  explicit LatentQuantizer(const Magnitudes& weights, const Tensor& latent = {});

  int bits() const override { return bits_; }

 protected:
  void update(const Tensor& gradient, float factor, const kernels::Sgd& sgd, double lasso) override;

 private:
  void round();

  int bits_;
  Tensor latent_, momentum_;  // buffers, float32, the weight's shape
};

}  // namespace quantbench::bsq
