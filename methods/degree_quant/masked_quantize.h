// Fake quantization of the rows that are not protected (dossier sections 2.1 and 2.4).
#pragma once

#include "methods/degree_quant/row_kernels.h"
#include "methods/encoding.h"

namespace quantbench {

enum class GradientRule {
  Straight,  // the gradient passes everywhere (published: STE)
  Clipped    // only where the unclamped code lies strictly between the grid's ends (published: GC)
};

// What a quantizer counts on the way: values of unprotected rows beyond low..high.
struct Watch {
  float low = 0, high = 0;
  kernels::Beyond seen{};
};

// x float32 [rows, ...]; keep uint8 [rows], 1: the row passes unchanged and so does its gradient;
// undefined: all rows are quantized. `format`: one scale, affine. Elsewhere the result equals
// apply(format, x) bit for bit. On the CPU one pass forward and one backward, which keeps a byte an
// element (Straight: nothing at all). No second derivative.
Tensor masked_quantize(const Tensor& x, const Tensor& keep, const UniformFormat& format,
                       GradientRule rule, Watch* watch = nullptr);

}  // namespace quantbench
