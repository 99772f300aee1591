// HAWQ-V2 (Dong et al., NeurIPS 2020): bits by the average Hessian trace of each layer.
#pragma once

#include "methods/common/hessian.h"
#include "methods/hawq/mixed_precision.h"

namespace quantbench {

MethodCard hawq_v2_card();

class HawqV2 : public MixedPrecision {
 public:
  explicit HawqV2(const OptionValues& options);

 protected:
  void choose(MethodContext& context) override;

 private:
  std::vector<TraceEstimate> traces(MethodContext& context, const std::vector<Batch>& batches,
                                    const std::vector<Site>& sites);
  // Omega_i(b) = (Tr_i / n_i) |Q_b(W_i) - W_i|^2 within the budget, or at the frontier's knee.
  void choose_weights(const Network& network, const std::vector<Site>& sites,
                      const std::vector<TraceEstimate>& traces);
  // The same for feature maps: mean over images of |Q_b(a) - a|^2, cost bits * elements.
  void choose_activations(MethodContext& context, const std::vector<Batch>& batches,
                          const std::vector<Site>& sites, const std::vector<TraceEstimate>& traces);
};

}  // namespace quantbench
