// BatchNorm folded into its layer before quantization (the published HDenseBatchNorm and
// HConv2DBatchNorm). The network has no node for it: its gain and its running statistics live with
// the weight's quantizer, its offset is the layer's bias.
//
//   w' = w s,   b' = b - mean s,   s = gain / sqrt(variance + 1e-3)
//
// and what is quantized, charged and shipped is w' and b'. In training, mean and variance are those
// of the batch behind the float weight, for which the layer is computed a second time; gradients go
// through them. In evaluation they are the running ones (momentum 0.99).
#pragma once

#include <optional>

#include "methods/hgq/quantizers.h"
#include "models/graph.h"

namespace quantbench::hgq {

class NormalisedWeight : public WeightQuantizer {
 public:
  // Of the Conv2d or Linear `node`, which has `channels` outputs; f as in WeightQuantizer.
  NormalisedWeight(const Tensor& f, const Node& node, int64_t channels);

  Tensor forward(const Tensor& x, const TapContext& context) override;
  Encoding encode(const Tensor& weight) const override;
  void limit(const Tensor& weight) override;

  Tensor& gain() { return gain_; }
  // b' as the last forward() had it, and with the running statistics.
  Tensor fold(const Tensor& bias) const { return fold(bias, now_); }
  Tensor fold_running(const Tensor& bias) const { return fold(bias, running()); }
  // Before a batch was seen there is no w' from which f could start: the next forward() in training
  // gives f `init_bits` significant bits and sets the running statistics.
  void start_with_next_batch(double init_bits) { start_bits_ = init_bits; }

 private:
  struct Statistics {
    Tensor mean, factor;  // [out]; s
  };
  Statistics of_batch(const Tensor& weight, const TapContext& context);
  Statistics running() const { return {running_mean_, factor(running_variance_)}; }
  Tensor factor(const Tensor& variance) const;
  static Tensor fold(const Tensor& bias, const Statistics& by) {
    return bias - by.mean * by.factor;
  }

  Node node_;
  Tensor gain_;                             // parameter [out]
  Tensor running_mean_, running_variance_;  // buffers [out]
  Statistics now_;                          // of the last forward()
  std::optional<double> start_bits_;
};

// The bias of such a layer.
class NormalisedBias : public BiasQuantizer {
 public:
  NormalisedBias(std::shared_ptr<ActivationQuantizer> next,
                 std::shared_ptr<NormalisedWeight> weight)
      : BiasQuantizer(std::move(next)), weight_({std::move(weight)}) {}

  Tensor forward(const Tensor& x, const TapContext& context) override;
  Encoding encode(const Tensor& bias) const override;

 private:
  // In a list, for it is no submodule of this one.
  std::vector<std::shared_ptr<NormalisedWeight>> weight_;
};

}  // namespace quantbench::hgq
