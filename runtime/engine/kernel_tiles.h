// Part of kernel_body.h: where a tile of pixels is read.

// Where P pixels, `step` bytes apart, are read: four to a pointer, at 0, 1, 2 and 3 steps, so that
// their addresses fit the registers.
template <int P>
struct Pixels {
  const char* first[(P + 3) / 4];
  int64_t step, steps3;

  QUANTBENCH_INLINE Pixels(const char* from, int64_t step_bytes)
      : step(step_bytes), steps3(3 * step_bytes) {
    hide(steps3);
    unroll<(P + 3) / 4>([&](auto at) QB_ALWAYS {
      first[decltype(at)::value] = from + 4 * decltype(at)::value * step_bytes;
    });
  }
  template <int p>
  QUANTBENCH_INLINE const char* at(int64_t i) const {
    const char* group = first[p / 4] + i;
    return p % 4 == 3 ? group + steps3 : group + p % 4 * step;
  }
};

// The first and the last kernel row that lie inside the image, for one output row.
struct Rows {
  int64_t first, end;
};
QUANTBENCH_INLINE Rows rows_inside(const Window& window, int64_t row) {
  const int64_t y = row * window.stride - window.top;
  const int64_t first = y < 0 ? -y : 0;
  const int64_t end = least_of(window.rows, window.height - y);
  return {first, end < first ? first : end};
}

// `count` tiles side by side from pixel x on, in each of some rows.
struct Strip {
  int64_t block, row_begin, row_end, x, count;
};
