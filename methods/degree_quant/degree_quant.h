// Degree-Quant (Tailor, Fernandez-Marques and Lane, ICLR 2021, arXiv 2008.05000):
// quantization-aware training of graph networks in which nodes of high in-degree, whose large
// aggregates would stretch the ranges, are likely to run in full precision; and the paper's
// baselines QAT and nQAT.
#pragma once

#include "methods/degree_quant/site_quantizer.h"
#include "methods/method.h"

namespace quantbench {

MethodCard degree_quant_card();

class DegreeQuant : public Method {
 public:
  explicit DegreeQuant(const OptionValues& options);

  void plan(MethodContext& context) override;
  void attach(Network& network) override;
  void before_step(Network& network, const Progress& progress) override;
  // Quantizers that saw no training step take their ranges from the calibration batches.
  void freeze(MethodContext& context) override;
  MethodState save() const override;
  void load(const MethodState& state) override;

 private:
  RangeConfig range_config(BitWidth bits) const;

  OptionValues options_;
  Spared spared_;
  uint64_t seed_ = 0;  // of masks and noise
  std::shared_ptr<TrainingStep> step_;
};

}  // namespace quantbench
