// A run of a tensor's memory (parallel.h) as the float32 that kernels work on: the memory itself,
// or for bfloat16 a tile in the first-level cache, so that no tensor is ever converted as a whole.
#pragma once

#include "methods/common/kernels.h"
#include "methods/common/parallel.h"

namespace quantbench {

inline bool is_bf16(const Tensor& x) { return x.scalar_type() == torch::kBFloat16; }

inline uint16_t* bf16_bits(const Tensor& x) {
  return reinterpret_cast<uint16_t*>(x.data_ptr<at::BFloat16>());
}

class ReadRun {
 public:
  ReadRun(const Tensor& x, int64_t first, int64_t count) {
    if (is_bf16(x))
      kernels::widen(bf16_bits(x) + first, tile_, count);
    else
      data_ = x.data_ptr<float>() + first;
  }
  ReadRun(const ReadRun&) = delete;
  ReadRun& operator=(const ReadRun&) = delete;

  const float* data() const { return data_; }

 private:
  float tile_[Runs::kLongest];
  const float* data_ = tile_;
};

// What is written is in the tensor when this goes.
class WrittenRun {
 public:
  WrittenRun(const Tensor& y, int64_t first, int64_t count) : count_(count) {
    if (is_bf16(y))
      bits_ = bf16_bits(y) + first;
    else
      data_ = y.data_ptr<float>() + first;
  }
  ~WrittenRun() {
    if (bits_) kernels::narrow(tile_, bits_, count_);
  }
  WrittenRun(const WrittenRun&) = delete;
  WrittenRun& operator=(const WrittenRun&) = delete;

  float* data() { return data_; }

 private:
  float tile_[Runs::kLongest];
  float* data_ = tile_;
  uint16_t* bits_ = nullptr;
  int64_t count_;
};

}  // namespace quantbench
