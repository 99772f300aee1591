// Semi-relaxed quantization with DropBits (arXiv 1911.12990; published as CPQ, arXiv 2109.02100),
// and relaxed quantization (RQ, arXiv 1810.01875) to compare with. All layers are quantized, the
// first and the last included; one (alpha, sigma) for each weight and each activation.
#pragma once

#include "methods/common/calibration.h"
#include "methods/common/site_bits.h"
#include "methods/method.h"
#include "methods/srq_dropbits/quantizer.h"

namespace quantbench {

MethodCard srq_dropbits_card();

class SrqDropBits : public Method {
 public:
  // Throws Error when options contradict each other.
  explicit SrqDropBits(const OptionValues& options);

  void plan(MethodContext& context) override;
  void attach(Network& network) override;
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override;
  void begin_phase(MethodContext& context, int phase) override;
  void before_step(Network& network, const Progress& progress) override;
  Tensor loss_term(Network& network, const Progress& progress) override;
  void after_step(Network& network, const Progress& progress) override;
  void before_evaluation(MethodContext& context, const Progress& progress) override;
  void freeze(MethodContext& context) override;

  // The weights' codes, 4 bytes for every other number, 8 a layer for its two steps (our reading:
  // the papers state no convention).
  PaperSize paper_size(const Site& site, const Encoding& encoding) const override;
  MethodState save() const override;
  void load(const MethodState& state) override;
  Figures figures() const override;
  std::map<std::string, std::string> artefacts() const override;

 private:
  // One quantized weight or activation.
  struct Place {
    Site site;
    std::shared_ptr<srq::SrqQuantizer> quantizer;
  };

  srq::QuantizerRule rule() const;
  BitWidth bits_of(const Site& site) const;
  std::shared_ptr<srq::DropMasks> masks_for(BitWidth bits) const;
  bool learns_masks() const;
  double price_of(const Place& place) const;  // of a mask that is kept
  void describe();

  OptionValues options_;
  std::string model_;
  SiteBits bits_;                                          // as asked
  Calibration calibration_;                                // of the network's input
  std::map<std::string, std::pair<double, bool>> starts_;  // by site: alpha, signed
  std::vector<Place> places_;
  int64_t weights_ = 0;  // elements of all quantized weights
  Figures figures_;
  std::map<std::string, std::string> artefacts_;
};

}  // namespace quantbench
