// The method `uniform`: evenly spaced grids of a fixed bit width for every weight and for every
// tensor that a Conv2d or Linear multiplies. Post-training (ptq) from observed ranges, or trained
// (qat) with one of the published rules: straight-through with ranges that follow, DoReFa, PACT,
// LSQ.
#pragma once

#include "methods/common/calibration.h"
#include "methods/common/site_bits.h"
#include "methods/method.h"

namespace quantbench {

MethodCard uniform_card();

class Uniform : public Method {
 public:
  // Throws Error when activation_bits is neither 1..16 nor 32.
  explicit Uniform(const OptionValues& options);

  void plan(MethodContext& context) override;
  void attach(Network& network) override;
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override;

  MethodState save() const override { return {{{"bits", bits_}}, calibration_}; }
  void load(const MethodState& state) override {
    bits_ = state.values.at("bits").get<SiteBits>();
    calibration_ = state.tensors;
  }

 private:
  // Sites that get a quantizer.
  std::vector<Site> activation_sites(const Graph& graph) const;
  BitWidth bits_of(const Site& site) const;
  std::shared_ptr<Tap> weight_tap(const Site& site, BitWidth bits) const;
  std::shared_ptr<Tap> activation_tap(const Graph& graph, const Site& site) const;

  OptionValues options_;
  std::string rule_;  // "ptq", "ste", "dorefa", "pact" or "lsq"
  Granularity granularity_;
  Scheme weight_scheme_;
  SiteBits bits_;  // planned, as is
  Calibration calibration_;
};

}  // namespace quantbench
