// Weights as the kernels read them.
#pragma once

#include <optional>
#include <vector>

#include "base/torch.h"
#include "runtime/engine/layout.h"

namespace quantbench::engine {

// A sliding window over an image; {} is that of a 1x1 convolution.
struct Geometry {
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  int64_t top = 0, left = 0;
  int64_t out_h = 1, out_w = 1;
};

struct PackedWeights {
  std::vector<char> bytes;            // Convolution::weights
  int64_t run = 0, blocks = 0;        // Convolution::run; vectors of output channels
  std::vector<int32_t> offsets;       // Convolution::offsets
  std::vector<int32_t> start;         // Convolution::start
  std::vector<int32_t> start_of_row;  // Convolution::start_of_row
};

// `weights` int32 or float32 [out, channels of x, kernel_h, kernel_w]; `x` says how the input is
// stored: bytes want weights of 8 bits, shorts of 16.
PackedWeights pack_weights(const Tensor& weights, const Geometry& geometry, const Layout& x,
                           int lanes);

// Weights [out, ...] less one number for each output, so that all of them are bytes.
struct CenteredWeights {
  Tensor weights;               // int32, shape as given
  std::vector<int32_t> center;  // [out]; empty: they were bytes before
};
// Nothing where the weights of an output span more than a byte.
std::optional<CenteredWeights> centered(const Tensor& weights);

// Dense weights of a convolution in groups: zeros where an output does not see an input.
Tensor without_groups(const Tensor& weights, int64_t groups);

}  // namespace quantbench::engine
