// HAWQ (Dong et al., ICCV 2019): bits along the order of lambda/n, quantization in stages along the
// order of lambda |dW|^2.
#pragma once

#include <optional>

#include "methods/hawq/mixed_precision.h"

namespace quantbench {

MethodCard hawq_card();

class Hawq : public MixedPrecision {
 public:
  explicit Hawq(const OptionValues& options);

  // One phase for each stage, then a last one; the schedule runs through all of them.
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override;
  void attach(Network& network) override;
  void begin_phase(MethodContext& context, int phase) override;
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

  std::vector<std::string> order_;                // weight sites, descending Omega
  std::vector<std::vector<std::string>> stages_;  // of the budget that phases() was told
  std::optional<std::vector<std::string>> on_;    // weight sites quantized now; not set: all
};

}  // namespace quantbench
