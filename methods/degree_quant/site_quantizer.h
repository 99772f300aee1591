// The quantizer that Degree-Quant puts on every site: one affine grid a tensor, whose range follows
// the rows that are not protected.
#pragma once

#include <memory>

#include "methods/degree_quant/masked_quantize.h"
#include "methods/degree_quant/protection.h"
#include "methods/degree_quant/row_range.h"
#include "methods/quantizer.h"

namespace quantbench {

// What keeps some values in full precision in a training step.
enum class Spared {
  Nothing,         // QAT
  ProtectedNodes,  // Degree-Quant: rows of nodes, and edges by their source
  RandomElements   // nQAT: Fan et al. 2021 (quantization noise), element by element
};

// What the quantizers of a network share in a training step.
struct TrainingStep {
  explicit TrainingStep(Protection p) : protection(std::move(p)) {}
  Protection protection;
  RandomStream noise{0, "noise"};
  double quantized_share = 1;  // RandomElements: of the elements
};

struct SiteQuantizerConfig {
  BitWidth bits{8};
  RangeConfig range;
  GradientRule gradient = GradientRule::Clipped;
  Spared spared = Spared::Nothing;
  int layer = 0;  // of the network, for masks of its own
  int site = 0;   // number of the site, for noise of its own
};

class SiteQuantizer : public Quantizer {
 public:
  SiteQuantizer(SiteQuantizerConfig config, std::shared_ptr<TrainingStep> step);

  // In training: updates the range, then quantizes with it. In evaluation every row is quantized.
  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool sums_messages() const override { return true; }
  Tensor sum_messages(const Tensor& x, const Tensor& weight, const TapContext& context) override;
  // Throws Error before the first training step.
  Format format() const override;
  BitWidth bit_width() const override { return config_.bits; }

  bool has_range() const;
  // Until it is called again, evaluation widens the range by all it sees and leaves values alone.
  void observe(bool on) { observing_ = on; }

 private:
  Tensor keep(const Tensor& x, const TapContext& context) const;
  UniformFormat grid() const;

  SiteQuantizerConfig config_;
  std::shared_ptr<TrainingStep> step_;
  bool observing_ = false;
  Tensor low_, high_;  // buffers, float32 [1]; low > high: nothing seen yet
};

}  // namespace quantbench
