#include "methods/quantizer.h"

#include "base/error.h"

namespace quantbench {

Encoding Quantizer::encode(const Tensor& weight) const {
  const Format in_force = format();
  if (const auto* uniform = std::get_if<UniformFormat>(&in_force)) {
    return UniformEncoding{*uniform, quantize(*uniform, weight)};
  }
  if (const auto* codebook = std::get_if<CodebookFormat>(&in_force)) {
    return CodebookEncoding{*codebook, quantize(*codebook, weight)};
  }
  return FloatEncoding{weight.detach().to(torch::kFloat32)};
}

}  // namespace quantbench
