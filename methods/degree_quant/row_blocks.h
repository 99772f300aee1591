// A tensor's rows cut into blocks that fit the first-level cache, worked on by several threads. How
// it is cut depends on the shape alone.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>

#include "base/error.h"
#include "base/torch.h"
#include "methods/degree_quant/row_kernels.h"

namespace quantbench {

class RowBlocks {
 public:
  // x: contiguous float32 on the CPU, rows along dimension 0. keep: uint8 [rows], contiguous, or
  // undefined. Both must outlive this. Throws Error when keep has another number of rows.
  RowBlocks(const Tensor& x, const Tensor& keep) {
    all_.rows = x.dim() > 0 ? x.size(0) : 1;
    all_.width = all_.rows > 0 ? x.numel() / all_.rows : 0;
    require(!keep.defined() || keep.numel() == all_.rows, "A mask of {} rows does not fit {} rows.",
            keep.defined() ? keep.numel() : 0, all_.rows);
    all_.x = x.data_ptr<float>();
    if (keep.defined()) all_.keep = keep.data_ptr<uint8_t>();
    per_block_ = std::max<int64_t>(1, kElements / std::max<int64_t>(1, all_.width));
  }

  kernels::RowBlock all() const { return all_; }
  int64_t count() const { return (all_.rows + per_block_ - 1) / per_block_; }

  // Calls body(block number, its first element, block), several at a time.
  template <typename Body>
  void for_each(const Body& body) const {
    at::parallel_for(0, count(), 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i * per_block_, first = row * all_.width;
        body(i, first,
             {all_.x + first, all_.keep ? all_.keep + row : nullptr,
              std::min(per_block_, all_.rows - row), all_.width});
      }
    });
  }

 private:
  static constexpr int64_t kElements = 4096;
  kernels::RowBlock all_;
  int64_t per_block_ = 1;
};

}  // namespace quantbench
