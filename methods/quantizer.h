// A tap that quantizes. In training it may learn, observe or draw; once frozen, its evaluation is
// exactly what its Format says, so that simulation and package cannot part.
#pragma once

#include "methods/encoding.h"
#include "models/tap.h"

namespace quantbench {

class Quantizer : public Tap {
 public:
  // The number format in force. Throws Error before the first calibration.
  virtual Format format() const = 0;

  // The codes of a weight: decode(encode(w)) == forward(w) in evaluation, bit for bit. The default
  // quantizes `weight` under format().
  virtual Encoding encode(const Tensor& weight) const;

  // The bits that were asked for: what format() and encode() must not exceed.
  virtual BitWidth bit_width() const = 0;
};

}  // namespace quantbench
