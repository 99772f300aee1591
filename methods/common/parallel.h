// Cutting a tensor into runs that share one grid, worked on by several threads. How it is cut
// depends on the tensor's shape alone, so sums that are added run by run never depend on the
// threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>

#include "base/torch.h"

namespace quantbench {

struct Runs {
  // Elements of a run; few enough that a second look at them meets the first-level cache.
  static constexpr int64_t kLongest = 4096;

  int64_t rows = 1, length = 0;  // each row has one grid

  Runs(const Tensor& x, int64_t rows) : rows(rows), length(rows > 0 ? x.numel() / rows : 0) {}

  int64_t per_row() const { return (length + kLongest - 1) / kLongest; }
  int64_t count() const { return rows * per_row(); }

  // Calls body(run, row, first element, number of elements), several runs at a time.
  template <typename Body>
  void for_each(const Body& body) const {
    const int64_t grain =
        std::max<int64_t>(1, 8 * kLongest / std::max<int64_t>(1, std::min(length, kLongest)));
    at::parallel_for(0, count(), grain, [&](int64_t begin, int64_t end) {
      for (int64_t run = begin; run < end; ++run) {
        const int64_t row = run / per_row();
        const int64_t first = (run - row * per_row()) * kLongest;
        body(run, row, row * length + first, std::min(kLongest, length - first));
      }
    });
  }
};

// `x` itself when its memory has no gaps (contiguous, channels-last, ...) and, for more than one
// row, when rows lie one after the other; else a contiguous copy.
inline Tensor dense(const Tensor& x, bool by_rows) {
  const bool in_rows = !by_rows || x.dim() < 2 || x.size(0) < 2 || x.numel() == 0 ||
                       x.stride(0) == x.numel() / x.size(0);
  return x.is_non_overlapping_and_dense() && in_rows ? x : x.contiguous();
}

}  // namespace quantbench
