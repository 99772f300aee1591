// BSQ (Yang et al., arXiv 2102.10462): the bits of the weights are trained, a group lasso empties
// whole bit planes, and at intervals the empty ones are removed, so that every layer finds its own
// precision; then the scheme is fixed and fine-tuned.
#pragma once

#include "methods/bsq/quantizers.h"
#include "methods/method.h"

namespace quantbench {

MethodCard bsq_card();

class Bsq : public Method {
 public:
  // Throws Error on options that contradict each other.
  explicit Bsq(const OptionValues& options);

  void plan(MethodContext& context) override;
  void attach(Network& network) override;
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override;
  void begin_phase(MethodContext& context, int phase) override;
  void after_backward(Network& network, const Progress& progress) override;
  void freeze(MethodContext& context) override;
  Figures figures() const override;
  // Magnitude bits alone, no shortcuts, the biases of layers included (the paper's convention).
  PaperSize paper_size(const Site& site, const Encoding& encoding) const override;
  MethodState save() const override;
  void load(const MethodState& state) override;
  std::map<std::string, std::string> artefacts() const override;

 private:
  struct Layer {
    Site site;
    std::shared_ptr<bsq::MagnitudeQuantizer> quantizer;
  };

  std::vector<Site> sites(const Graph& graph) const;
  bool has_scheme() const { return !options_.text("scheme").empty(); }
  void put(Network& network, Layer& layer, std::shared_ptr<bsq::MagnitudeQuantizer> quantizer);
  // Re-quantizes every layer and drops its empty planes; then latent weights take over, if that is
  // what the next phase trains.
  void adjust(MethodContext& context, bool to_latent);
  int64_t finetune_epochs(int64_t epochs) const;
  double average_bits() const;

  OptionValues options_;
  OptimizerConfig optimizer_;        // of the recipe, for momentum and weight decay
  std::vector<bool> trains_planes_;  // by phase
  std::map<std::string, int> bits_;  // of each site
  bool latent_ = false;              // the scheme is settled
  nlohmann::json adjustments_ = nlohmann::json::array();
  std::vector<Layer> layers_;
};

}  // namespace quantbench
