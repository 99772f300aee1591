#include "methods/common/staged_quantizer.h"

namespace quantbench {

StagedQuantizer::StagedQuantizer(std::shared_ptr<Quantizer> inner)
    : inner_(register_module("inner", std::move(inner))) {}

Tensor StagedQuantizer::forward(const Tensor& x, const TapContext& context) {
  if (on_) return inner_->forward(x, context);
  if (!context.relu) return x;
  return context.relu_max > 0 ? torch::clamp(x, 0, context.relu_max) : torch::relu(x);
}

}  // namespace quantbench
