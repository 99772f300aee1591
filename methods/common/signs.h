// Random signs for trace estimators: a pure function of the stream, 64 of them a draw.
#pragma once

#include "base/random.h"
#include "base/torch.h"

namespace quantbench {

// -1 or +1 with equal probability (Rademacher), float32 on the CPU.
inline Tensor random_signs(torch::IntArrayRef shape, const RandomStream& stream) {
  Tensor out = torch::empty(shape);
  float* data = out.data_ptr<float>();
  uint64_t bits = 0;
  for (int64_t i = 0; i < out.numel(); ++i, bits >>= 1) {
    if (i % 64 == 0) bits = stream.bits(static_cast<uint64_t>(i) / 64);
    data[i] = (bits & 1) != 0 ? 1.0f : -1.0f;
  }
  return out;
}

}  // namespace quantbench
