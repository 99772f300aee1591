// What HAWQ and HAWQ-V2 share: bits of each layer chosen before training, then ordinary
// quantization-aware training (min-max weights, moving-average activations, straight-through).
#pragma once

#include "methods/common/bit_choice.h"
#include "methods/common/calibration.h"
#include "methods/common/site_bits.h"
#include "methods/method.h"

namespace quantbench {

std::vector<Option> mixed_precision_options();

class MixedPrecision : public Method {
 public:
  MixedPrecision(std::string name, const OptionValues& options);

  void plan(MethodContext& context) override;
  void attach(Network& network) override;
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override;
  MethodState save() const override;
  void load(const MethodState& state) override;
  std::map<std::string, std::string> artefacts() const override;

 protected:
  // Chooses the bits of the free sites: fills bits_ and evidence_.
  virtual void choose(MethodContext& context) = 0;

  // The first option `hessian_samples` calibration images in batches that fit in memory (a graph's
  // one batch as it is). Throws Error when the network is hardly better than chance on them: the
  // curvature of an untrained network says nothing. Notes loss and accuracy in evidence_.
  std::vector<Batch> hessian_batches(MethodContext& context);

  // The widths that may be chosen from, ascending.
  std::vector<int64_t> widths() const;
  // |Q_b(W) - W|^2 of a weight, its quantizer as it will be: over the observer's range
  // post-training, over min-max where it is trained.
  double perturbation(const Tensor& weight, int64_t bits) const;
  // Every width of a weight with its cost (`cost_per_bit` * bits) and sensitivity * |Q_b(W) - W|^2.
  BitOptions weight_options(const Tensor& weight, double cost_per_bit, double sensitivity) const;

  // What attach() puts on a site.
  virtual std::shared_ptr<Quantizer> quantizer(const Graph& graph, const Site& site) const;

  // What calibration finds the range of a weight or an activation of that width with.
  ObserverConfig weight_observer(BitWidth bits) const;
  ObserverConfig activation_observer(BitWidth bits) const;

  BitWidth bits_of(const Site& site) const;
  const OptionValues& options() const { return options_; }

  SiteBits bits_;
  nlohmann::json evidence_ = nlohmann::json::object();

 private:
  std::string name_, model_;
  OptionValues options_;
  Granularity granularity_;
  Scheme scheme_;
  Calibration calibration_;
};

}  // namespace quantbench
