// Part of kernel_body.h: what becomes of sums.

// Where one row of pixels goes, from one block of channels on.
struct Place {
  const float *a, *b;
  const char* residuals[2];
  char* to;
};

QUANTBENCH_INLINE Place place(const Epilogue& epilogue, const Output& output, int64_t block,
                              int64_t row, int64_t pixel) {
  Place at{epilogue.a + block * kLanes, epilogue.b + block * kLanes, {nullptr, nullptr}, nullptr};
  for (int k = 0; k < epilogue.residual_count; ++k) {
    const Residual& residual = epilogue.residuals[k];
    at.residuals[k] = residual.data + row * residual.row + pixel * residual.pixel +
                      block * bytes_of_lanes(residual.cell);
  }
  at.to =
      output.data + row * output.row + pixel * output.pixel + block * bytes_of_lanes(output.cell);
  return at;
}

QUANTBENCH_INLINE void put(const Output& output, char* to, Ints n) {
  if (output.cell == Cell::I16)
    store_cells(reinterpret_cast<int16_t*>(to), n);
  else if (output.cell == Cell::U8)
    store_cells(reinterpret_cast<uint8_t*>(to), add(n, broadcast_integer(output.shift)));
  else
    store(reinterpret_cast<int32_t*>(to), n);
}

QUANTBENCH_INLINE void finish_one(const Epilogue& epilogue, const Output& output, const Place& at,
                                  Floats acc, int64_t block, int64_t pixel) {
  Floats u = multiply_add(load(at.a + block * kLanes), acc, load(at.b + block * kLanes));
  for (int k = 0; k < epilogue.residual_count; ++k) {
    const Residual& residual = epilogue.residuals[k];
    const char* from =
        at.residuals[k] + pixel * residual.pixel + block * bytes_of_lanes(residual.cell);
    u = multiply_add(load(residual.a + (at.a - epilogue.a) + block * kLanes),
                     load_floats(from, residual.cell, residual.shift), u);
  }
  if (epilogue.quantized) u = number_or_zero(u);
  u = hold(u, broadcast(epilogue.low), broadcast(epilogue.high));
  char* to = at.to + pixel * output.pixel + block * bytes_of_lanes(output.cell);
  if (epilogue.quantized)
    put(output, to, round(u));
  else
    store(reinterpret_cast<float*>(to), u);
}

// sums[pixel][block], finished. Out of the tiles' way: it would swell each of them.
template <typename Sum>
__attribute__((noinline)) void finish_tile(const Epilogue& epilogue, const Output& output,
                                           const Sum* sums, int64_t pixels, int64_t blocks,
                                           int64_t block, int64_t row, int64_t pixel) {
  if (!epilogue.a) {  // the accumulators themselves
    char* to = output.data + row * output.row + pixel * output.pixel + block * 4 * kLanes;
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t b = 0; b < blocks; ++b)
        __builtin_memcpy(to + p * output.pixel + b * 4 * kLanes, sums + p * blocks + b,
                         sizeof(Sum));
    return;
  }
  const Place at = place(epilogue, output, block, row, pixel);
  // The common case by itself: half of the time of a small layer's tile would go into branches.
  const bool narrow = epilogue.quantized && output.cell == Cell::I16 &&
                      (epilogue.residual_count == 0 ||
                       (epilogue.residual_count == 1 && epilogue.residuals[0].cell == Cell::I16));
  const bool bytes = epilogue.quantized && output.cell == Cell::U8 &&
                     (epilogue.residual_count == 0 ||
                      (epilogue.residual_count == 1 && epilogue.residuals[0].cell == Cell::U8));
  const auto all = [&](const Epilogue& how, const Output& where) QB_ALWAYS {
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t b = 0; b < blocks; ++b)
        finish_one(how, where, at, to_float(sums[p * blocks + b]), b, p);
  };
  const auto all_in = [&](Cell cell) QB_ALWAYS {
    Epilogue how = epilogue;
    Output where = output;
    how.quantized = true;
    where.cell = cell;
    if (epilogue.residual_count == 0) {
      how.residual_count = 0;
      return all(how, where);
    }
    how.residual_count = 1;
    how.residuals[0].cell = cell;
    all(how, where);
  };
  if (!epilogue.quantized && epilogue.residual_count == 0) {
    Epilogue how = epilogue;
    how.quantized = false;
    how.residual_count = 0;
    return all(how, output);
  }
  if (narrow) return all_in(Cell::I16);
  if (bytes) return all_in(Cell::U8);
  all(epilogue, output);
}

// The end of a tile in its own registers: numbers of one kind all round, and bounded.
constexpr Cell kNative = kHasBytes ? Cell::U8 : Cell::I16;
using Native = NativeOf<kHasBytes>::type;

enum class End {
  Any,       // finish_tile
  Plain,     // native numbers, bounded, nothing added
  Residual,  // one addend, native as well
};

QUANTBENCH_INLINE End end_of(const Epilogue& epilogue, const Output& output) {
  if (!epilogue.a || !epilogue.bounded || !epilogue.quantized || output.cell != kNative)
    return End::Any;
  if (epilogue.residual_count == 0) return End::Plain;
  return epilogue.residual_count == 1 && epilogue.residuals[0].cell == kNative ? End::Residual
                                                                               : End::Any;
}

// sums[pixel * B + block], four at a time. Rounding and clamping are monotone: the numbers are
// rounded first, saturate where they are packed, and are held within bounds as integers.
template <End kEnd, int P, int B>
QUANTBENCH_INLINE void finish_here(const Epilogue& epilogue, const Output& output,
                                   const Ints (&sums)[P * B], int64_t block, int64_t row,
                                   int64_t x) {
  const int64_t channel = block * kLanes;
  const Residual& residual = epilogue.residuals[0];
  char* to = output.data + row * output.row + x * output.pixel + channel * sizeof(Native);
  const int64_t to_pixel = output.pixel, from_pixel = residual.pixel;
  const char* from = nullptr;
  Floats a[B], b[B], factor[B];
  const Ints residual_shift = broadcast_integer(-residual.shift);
  unroll<B>([&](auto at) QB_ALWAYS {
    constexpr int k = decltype(at)::value;
    a[k] = load(epilogue.a + channel + k * kLanes);
    b[k] = load(epilogue.b + channel + k * kLanes);
    if constexpr (kEnd == End::Residual) factor[k] = load(residual.a + channel + k * kLanes);
  });
  if constexpr (kEnd == End::Residual)
    from = residual.data + row * residual.row + x * from_pixel + channel * sizeof(Native);
  const Cells low = broadcast_cell(static_cast<int32_t>(epilogue.low) + output.shift);
  const Cells high = broadcast_cell(static_cast<int32_t>(epilogue.high) + output.shift);
  const auto shift = broadcast_shift(output.shift);
  const auto finished = [&](auto at) QB_ALWAYS {
    constexpr int i = decltype(at)::value, k = i % B;
    Floats u = multiply_add(a[k], to_float(sums[i]), b[k]);
    if constexpr (kEnd == End::Residual) {
      const auto* cells = reinterpret_cast<const Native*>(from + i / B * from_pixel) + k * kLanes;
      u = multiply_add(factor[k], to_float(add(load_cells(cells), residual_shift)), u);
    }
    return round(u);
  };
  unroll<(P * B + 3) / 4>([&](auto at) QB_ALWAYS {
    constexpr int first = 4 * decltype(at)::value, last = P * B - 1;
    constexpr int i1 = first < last ? first + 1 : last, i2 = first + 1 < last ? first + 2 : last,
                  i3 = first + 2 < last ? first + 3 : last;
    const Cells cells = hold(pack(finished(Index<first>{}), finished(Index<i1>{}),
                                  finished(Index<i2>{}), finished(Index<i3>{}), shift),
                             low, high);
    unroll<4 / B>([&](auto part) QB_ALWAYS {
      constexpr int pixel = first / B + decltype(part)::value;
      if constexpr (pixel < P)
        store_cells<decltype(part)::value * B, B>(to + pixel * to_pixel, cells);
    });
  });
}
