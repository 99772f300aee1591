// HAWQ (Dong et al., ICCV 2019): bits along the order of lambda/n, quantization in stages along the
// order of lambda |dW|^2.
#pragma once

#include "methods/hawq/mixed_precision.h"

namespace quantbench {

MethodCard hawq_card();

// A quantizer that can be off: then the value passes as it is (through its ReLU).
class StagedQuantizer : public Quantizer {
 public:
  explicit StagedQuantizer(std::shared_ptr<Quantizer> inner);

  void switch_on(bool on) { on_ = on; }
  bool is_on() const { return on_; }

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return inner_->absorbs_relu(); }
  Format format() const override { return inner_->format(); }
  Encoding encode(const Tensor& weight) const override { return inner_->encode(weight); }
  BitWidth bit_width() const override { return inner_->bit_width(); }

 private:
  std::shared_ptr<Quantizer> inner_;
  bool on_ = true;
};

class Hawq : public MixedPrecision {
 public:
  explicit Hawq(const OptionValues& options);

  // One phase for each stage, then a last one; the schedule runs through all of them.
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) const override;
  void begin_phase(Network& network, int phase) override;
  void freeze(MethodContext& context) override;
  MethodState save() const override;
  void load(const MethodState& state) override;

  // The stages for a budget of `epochs`: weight sites in descending order of Omega, in as many
  // groups as there are stages; empty: all at once.
  std::vector<std::vector<std::string>> stages(int64_t epochs) const;

 protected:
  void choose(MethodContext& context) override;
  std::shared_ptr<Quantizer> quantizer(const Graph& graph, const Site& site) const override;

 private:
  void switch_on(Network& network, const std::vector<std::string>& weights);

  std::vector<std::string> order_;  // weight sites, descending Omega
  // phases() is told the budget, begin_phase() is not.
  mutable std::vector<std::vector<std::string>> stages_;
};

}  // namespace quantbench
