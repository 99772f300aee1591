// A quantizer that can be off: then the value passes as it is (through its ReLU). For methods that
// quantize one part of a network after the other.
#pragma once

#include "methods/quantizer.h"

namespace quantbench {

class StagedQuantizer : public Quantizer {
 public:
  explicit StagedQuantizer(std::shared_ptr<Quantizer> inner);

  void switch_on(bool on) { on_ = on; }
  bool is_on() const { return on_; }

  Tensor forward(const Tensor& x, const TapContext& context) override;
  bool absorbs_relu() const override { return inner_->absorbs_relu(); }
  bool takes_bf16() const override { return inner_->takes_bf16(); }
  Format format() const override { return inner_->format(); }
  Encoding encode(const Tensor& weight) const override { return inner_->encode(weight); }
  BitWidth bit_width() const override { return inner_->bit_width(); }

 private:
  std::shared_ptr<Quantizer> inner_;
  bool on_ = true;
};

}  // namespace quantbench
