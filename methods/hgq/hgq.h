// HGQ (Sun et al., arXiv 2405.00645): every weight and every activation is a fixed-point number
// whose fractional bits learn, under a loss that charges for the bit operations of the hardware
// (EBOPs). 0 bits prune. The states on the front of validation accuracy over EBOPs are kept.
#pragma once

#include "methods/common/pareto.h"
#include "methods/hgq/ebops.h"
#include "methods/hgq/normalised.h"
#include "methods/hgq/quantizers.h"
#include "methods/hgq/schedule.h"
#include "methods/method.h"

namespace quantbench {

MethodCard hgq_card();

class Hgq : public Method {
 public:
  explicit Hgq(const OptionValues& options);

  void plan(MethodContext& context) override;
  void attach(Network& network) override;
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override;
  void begin_phase(MethodContext& context, int index) override;
  void before_step(Network& network, const Progress& progress) override;
  Tensor loss_term(Network& network, const Progress& progress) override;
  void after_backward(Network& network, const Progress& progress) override;
  void after_step(Network& network, const Progress& progress) override;
  EpochVerdict after_epoch(Network& network, const EpochReport& report) override;
  void freeze(MethodContext& context) override;
  Figures figures() const override { return figures_; }
  MethodState save() const override;
  void load(const MethodState& state) override;
  std::map<std::string, std::string> artefacts() const override;

  // As the loss has it, differentiable in the fractional bits: of the last forward pass, and with
  // the gradient of a shared number of bits divided by the square root of what shares it.
  Tensor estimated_ebops() const;
  // Of the network as it stands: with the weights of now and the ranges since the epoch began.
  double training_ebops(const Network& network) const;
  // Of the calibrated network.
  double exact_ebops(const Network& network) const;

 private:
  struct Layer {
    hgq::LayerCost cost;
    std::shared_ptr<hgq::WeightQuantizer> weight;
    std::shared_ptr<hgq::ActivationQuantizer> operand;
  };

  std::shared_ptr<hgq::ActivationQuantizer> activation(const Graph& graph, const Site& site,
                                                       torch::Device device) const;
  bool normalises() const { return options_.flag("batch_norm"); }
  void calibrate(MethodContext& context);
  void describe(const Network& network);

  OptionValues options_;
  hgq::BetaSchedule beta_;
  ParetoFront front_;
  std::vector<Layer> layers_;
  std::vector<std::shared_ptr<hgq::ActivationQuantizer>> activations_;
  std::vector<Tensor> fractions_;  // every f
  // By node; empty unless the layers have a BatchNorm of their own.
  std::map<int, std::shared_ptr<hgq::NormalisedWeight>> normalised_;
  double beta_now_ = 0;
  Figures figures_;
  nlohmann::json report_;
};

}  // namespace quantbench
