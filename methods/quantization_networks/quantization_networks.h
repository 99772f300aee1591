// Quantization Networks (Yang et al., CVPR 2019, arXiv 1911.09464): every quantizer is a sum of
// sigmoids that becomes a staircase as its temperature rises; no straight-through estimator. First
// the weights are quantized, then the activations, then all is trained together.
#pragma once

#include "methods/common/calibration.h"
#include "methods/common/sample_values.h"
#include "methods/common/site_bits.h"
#include "methods/method.h"
#include "methods/quantization_networks/quantizer.h"

namespace quantbench {

MethodCard quantization_networks_card();

class QuantizationNetworks : public Method {
 public:
  // Throws Error when options contradict each other.
  explicit QuantizationNetworks(const OptionValues& options);

  void plan(MethodContext& context) override;
  void attach(Network& network) override;
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override;
  void begin_phase(MethodContext& context, int phase) override;
  void before_step(Network& network, const Progress& progress) override;
  void before_evaluation(MethodContext& context, const Progress& progress) override;
  void freeze(MethodContext& context) override;

  PaperSize paper_size(const Site& site, const Encoding& encoding) const override;
  MethodState save() const override;
  void load(const MethodState& state) override;
  std::map<std::string, std::string> artefacts() const override;

 private:
  struct Place {
    Site site;
    std::shared_ptr<qn::StaircaseQuantizer> quantizer;
  };
  enum class Stage { Weights, Activations, All };

  bool soft(const Graph& graph, const Site& site) const;  // gets a staircase
  bool in_float(const Site& site) const;
  BitWidth bits_of(const Site& site) const;
  bool quantizes_weights() const { return options_.integer("weight_bits") <= 8; }
  bool quantizes_activations() const { return options_.integer("activation_bits") <= 8; }
  std::vector<Site> sites(const Graph& graph) const;
  std::vector<double> levels_of(const Graph& graph, const Site& site) const;
  qn::Start start_of(const Graph& graph, const Site& site, const SampledValues& seen) const;
  // The stages of this budget, each with its epochs.
  std::vector<std::pair<Stage, int64_t>> stages(int64_t epochs) const;
  Stage stage_of(int phase) const;
  double temperature(const Progress& progress, bool of_weights) const;
  void set_temperature(const Progress& progress);
  void reestimate(MethodContext& context);

  OptionValues options_;
  SiteBits bits_;
  Calibration calibration_;  // of the 8-bit sites at the ends
  std::map<std::string, qn::Start> starts_;
  std::map<std::string, bool> signed_;  // activations that go below zero
  std::vector<Place> places_;
  int64_t epochs_ = 0;              // of the whole training, once phases() was called
  int64_t activations_since_ = -1;  // global epoch at which activations were switched on
  std::string report_;
};

}  // namespace quantbench
