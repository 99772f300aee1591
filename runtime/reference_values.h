// The values of the reference executor: plain arrays in the order rows, height, width, channels, so
// that what is multiplied lies side by side.
#pragma once

#include <cstdint>
#include <vector>

#include "base/torch.h"

namespace quantbench {

struct Extent {
  int64_t channels = 1, height = 1, width = 1;

  static Extent of(const std::vector<int64_t>& shape) {
    Extent out;
    if (!shape.empty()) out.channels = shape[0];
    if (shape.size() == 3) {
      out.height = shape[1];
      out.width = shape[2];
    }
    return out;
  }
  int64_t pixels() const { return height * width; }
  int64_t elements() const { return channels * pixels(); }
};

// Integers or floats, never both.
struct Data {
  int64_t rows = 0;
  bool on_grid = false;
  std::vector<int32_t> n;
  std::vector<float> x;
};

// What broadcasts to a value of `shape`, spread over one of its rows in the order above.
template <typename T>
std::vector<T> spread(const Tensor& t, const std::vector<int64_t>& shape) {
  if (!t.defined()) return {};
  Tensor full = shape.empty() ? t.flatten() : t.expand(shape);
  if (shape.size() == 3) full = full.permute({1, 2, 0});
  full = full.contiguous();
  return std::vector<T>(full.data_ptr<T>(), full.data_ptr<T>() + full.numel());
}

}  // namespace quantbench
