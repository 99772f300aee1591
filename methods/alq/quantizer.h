// A weight as groups of sign bases with coordinates, which trains by the method's own steps.
#pragma once

#include "methods/alq/groups.h"
#include "methods/alq/kernels.h"
#include "methods/quantizer.h"

namespace quantbench::alq {

// The sketch of a weight (section 4.1).
struct Sketched {
  Tensor counts;       // uint8 [groups]
  Tensor patterns;     // uint8 [groups, length]
  Tensor coordinates;  // float32 [groups, most]
};
Sketched sketch(const Groups& groups, const Tensor& weight, int most);

// What it taps is ignored: the values are its own. Slots for coordinates are there for `width`
// bases in every group; a group's bases are its first ones.
class MultiBitQuantizer : public Quantizer {
 public:
  // Without a sketch there is no base anywhere, until a state is copied in.
  MultiBitQuantizer(Groups groups, int width, const Sketched* start, bool with_latent);

  // B a, float32. In training leaf(), whose gradient the steps read.
  Tensor forward(const Tensor& x, const TapContext& context) override;
  // A sum of bases has no format that a real number could be rounded to.
  Format format() const override { return FloatFormat{}; }
  Encoding encode(const Tensor& weight) const override;
  BitWidth bit_width() const override { return BitWidth(width_); }

  const Tensor& leaf() const { return leaf_; }

  // Each makes one AMSGrad step from the gradient that leaf() has gathered, if there is one.
  void step_bases(double learning_rate);
  void step_coordinates(double learning_rate, double weight_decay);
  void step_moments();  // of weights and coordinates, nothing moves
  void refresh_coordinate_moments();
  // Takes the listed slots (group * width + base) away, no two of them the same.
  void remove(std::vector<int64_t> slots);
  // Predicted costs of removal by slot; only a group's own bases have a meaning.
  std::vector<double> removal_costs(double learning_rate) const;

  int64_t bases() const;     // of all groups
  double sign_bits() const;  // bases * length
  const Groups& groups() const { return groups_; }
  const Tensor& counts() const { return counts_; }
  const Tensor& coordinates() const { return coordinates_; }
  const Tensor& patterns() const { return patterns_; }
  int width() const { return width_; }
  // From here on step_bases() goes on from full-precision weights, which start as the values are.
  void start_latent();

 private:
  kernels::Layer layer() const;
  // Runs body(first group, last group) over all groups.
  template <typename Body>
  void over_groups(const Body& body) const;
  // The gradient in the order of values_; undefined without one. Counts the step.
  Tensor take_gradient();

  Groups groups_;
  int width_;
  Tensor counts_, patterns_, coordinates_, values_, latent_;          // buffers
  Tensor first_, second_, largest_;                                   // buffers [groups, length]
  Tensor coordinate_first_, coordinate_second_, coordinate_largest_;  // buffers [groups, width]
  Tensor steps_;                                                      // buffer int64 [1]
  Tensor leaf_;                                                       // shares memory with values_
};

}  // namespace quantbench::alq
