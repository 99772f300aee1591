// Small tensors and formats for the tests of this folder, and the naive references they compare
// with.
#pragma once

#include <cmath>
#include <limits>

#include "base/torch.h"
#include "methods/common/range.h"

namespace quantbench {

inline Tensor values(std::vector<float> list) { return torch::tensor(list, torch::kFloat32); }
inline Tensor codes(std::vector<int32_t> list) { return torch::tensor(list, torch::kInt32); }

inline Tensor random_tensor(torch::IntArrayRef shape, uint64_t seed, double deviation = 1) {
  torch::manual_seed(seed);
  return torch::randn(shape) * deviation;
}

inline UniformFormat tensor_format(double scale, int32_t zero_point, int64_t bits) {
  UniformFormat format;
  format.scale = torch::full({1}, scale, torch::kFloat32);
  format.zero_point = torch::full({1}, zero_point, torch::kInt32);
  format.bits = torch::full({1}, bits, torch::kUInt8);
  return format;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() &&
         torch::equal(a.contiguous().view(torch::kInt32), b.contiguous().view(torch::kInt32));
}

// The same numbers in channels-last memory, for 4-d tensors.
inline Tensor channels_last(const Tensor& x) {
  return x.contiguous(torch::MemoryFormat::ChannelsLast);
}

}  // namespace quantbench
