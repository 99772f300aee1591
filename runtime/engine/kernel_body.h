// The kernels, written once over the primitives that the including file defines for its instruction
// set: Ints and Floats of kLanes numbers, kTilePixels and kTileBlocks, and the functions named in
// portable.cpp. Included inside an unnamed namespace, and of the standard library only what is no
// template: a copy of an inline function compiled for a wide vector unit must never be the one that
// the linker keeps.

#define QB_ALWAYS __attribute__((always_inline))

template <int N>
struct Index {
  static constexpr int value = N;
};

// f(Index<0>{}) ... f(Index<N - 1>{}), unrolled.
template <int N, typename F>
QUANTBENCH_INLINE void unroll(const F& f) {
  if constexpr (N > 0) {
    unroll<N - 1>(f);
    f(Index<N - 1>{});
  }
}

QUANTBENCH_INLINE int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }

// --- cells ---

QUANTBENCH_INLINE Ints load_integers(const char* from, Cell cell, int32_t shift) {
  if (cell == Cell::I16) return load_cells(reinterpret_cast<const int16_t*>(from));
  if (cell == Cell::I32) return load(reinterpret_cast<const int32_t*>(from));
  return add(load_cells(reinterpret_cast<const uint8_t*>(from)), broadcast_integer(-shift));
}

QUANTBENCH_INLINE Floats load_floats(const char* from, Cell cell, int32_t shift) {
  if (cell == Cell::F32) return load(reinterpret_cast<const float*>(from));
  return to_float(load_integers(from, cell, shift));
}

QUANTBENCH_INLINE void load_value(const char* from, Cell cell, int32_t shift, Ints& value) {
  value = load_integers(from, cell, shift);
}
QUANTBENCH_INLINE void load_value(const char* from, Cell cell, int32_t shift, Floats& value) {
  value = load_floats(from, cell, shift);
}
QUANTBENCH_INLINE Ints scale_by(Ints x, int16_t factor) {
  return multiply(x, broadcast_integer(factor));
}
QUANTBENCH_INLINE Floats scale_by(Floats x, int16_t factor) {
  return multiply(x, broadcast(factor));
}

// Bytes of one vector of cells.
QUANTBENCH_INLINE int64_t bytes_of_lanes(Cell cell) {
  return cell == Cell::U8 ? kLanes : cell == Cell::I16 ? 2 * kLanes : 4 * kLanes;
}

// --- epilogue ---

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
  if (narrow) return all_in(Cell::I16);
  if (bytes) return all_in(Cell::U8);
  all(epilogue, output);
}

// --- convolution ---

// How operands of each cell are multiplied: a `unit` of cells, broadcast, by a vector of weights.
struct Bytes {
  static constexpr int unit_bytes = 4;
  using Sum = Ints;
  using Vector = Ints;
  static QUANTBENCH_INLINE Sum start(const int32_t* at) { return load(at); }
  static QUANTBENCH_INLINE Vector spread(const char* at) { return broadcast_unit(at); }
  static QUANTBENCH_INLINE Vector weights(const char* at) { return load_weights(at); }
  static QUANTBENCH_INLINE Sum dot(Sum sum, Vector x, Vector w) { return dot_bytes(sum, x, w); }
};
struct Shorts {
  static constexpr int unit_bytes = 4;
  using Sum = Ints;
  using Vector = Ints;
  static QUANTBENCH_INLINE Sum start(const int32_t* at) { return load(at); }
  static QUANTBENCH_INLINE Vector spread(const char* at) { return broadcast_unit(at); }
  static QUANTBENCH_INLINE Vector weights(const char* at) { return load_weights(at); }
  static QUANTBENCH_INLINE Sum dot(Sum sum, Vector x, Vector w) { return dot_shorts(sum, x, w); }
};
struct Reals {
  static constexpr int unit_bytes = 4;
  using Sum = Floats;
  using Vector = Floats;
  static QUANTBENCH_INLINE Sum start(const int32_t*) { return broadcast(0.0f); }
  static QUANTBENCH_INLINE Vector spread(const char* at) {
    return broadcast(*reinterpret_cast<const float*>(at));
  }
  static QUANTBENCH_INLINE Vector weights(const char* at) {
    return load(reinterpret_cast<const float*>(at));
  }
  static QUANTBENCH_INLINE Sum dot(Sum sum, Vector x, Vector w) { return multiply_add(w, x, sum); }
};

// P pixels by B blocks of channels from pixel (row, x) on.
template <typename Kind, int P, int B>
QUANTBENCH_INLINE void tile(const Convolution& c, const char* input, int64_t input_row,
                            const char* weights, int64_t kernel_rows, const int32_t* start,
                            const Epilogue& epilogue, const Output& output, int64_t block,
                            int64_t row, int64_t x) {
  constexpr int64_t kVector = 4 * kLanes;
  const int64_t weight_row = c.run * kVector;
  const int64_t weight_block = c.window.rows * weight_row;
  typename Kind::Sum sums[P * B];
  unroll<P * B>([&](auto i) QB_ALWAYS {
    constexpr int b = decltype(i)::value % B;
    sums[decltype(i)::value] = Kind::start(start + (block + b) * kLanes);
  });
  for (int64_t k = 0; k < kernel_rows; ++k) {
    const char* pixels[P];
    unroll<P>([&](auto p) QB_ALWAYS {
      constexpr int kPixel = decltype(p)::value;
      pixels[kPixel] = input + k * input_row + kPixel * c.step;
    });
    const char* row_weights = weights + k * weight_row;
    const int64_t end = c.run * Kind::unit_bytes;
#pragma GCC unroll 2
    for (int64_t i = 0; i < end; i += Kind::unit_bytes) {
      typename Kind::Vector w[B];
      unroll<B>([&](auto b) QB_ALWAYS {
        constexpr int kBlock = decltype(b)::value;
        w[kBlock] = Kind::weights(row_weights + kBlock * weight_block + i * kLanes);
      });
      unroll<P>([&](auto p) QB_ALWAYS {
        constexpr int kPixel = decltype(p)::value;
        const typename Kind::Vector value = Kind::spread(pixels[kPixel] + i);
        unroll<B>([&](auto b) QB_ALWAYS {
          constexpr int kSum = kPixel * B + decltype(b)::value;
          sums[kSum] = Kind::dot(sums[kSum], value, w[decltype(b)::value]);
        });
      });
    }
  }
  typename Kind::Sum done[P * B];
  unroll<P * B>([&](auto i) QB_ALWAYS { done[decltype(i)::value] = sums[decltype(i)::value]; });
  finish_tile(epilogue, output, done, P, B, block, row, x);
}

// A tile of `count` <= kTilePixels pixels.
template <typename Kind, int P, int B, typename... Arguments>
QUANTBENCH_INLINE void tile_of(int64_t count, const Arguments&... arguments) {
  if constexpr (P > 1)
    if (count != P) return tile_of<Kind, P - 1, B>(count, arguments...);
  tile<Kind, P, B>(arguments...);
}

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

template <typename Kind, int B>
__attribute__((noinline)) void convolve_rows(const Convolution& c, const Input& input,
                                             const Epilogue& epilogue, const Output& output,
                                             int64_t block, int64_t row_begin, int64_t row_end) {
  const char* weights = c.weights + block * c.window.rows * c.run * 4 * kLanes;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const Rows inside = rows_inside(c.window, row);
    const char* from =
        input.data + (row * c.window.stride - c.window.top + inside.first) * input.row + c.start_x;
    const int32_t* start = c.start + (c.start_of_row ? c.start_of_row[row] : 0);
    const int64_t pixels = least_of(c.pixels, c.total_pixels - row * c.pixels);
    // Tiles as equal as can be: the time of a tile grows slower than its pixels.
    int64_t tiles = (pixels + kTilePixels - 1) / kTilePixels;
    for (int64_t x = 0; x < pixels; --tiles) {
      const int64_t count = (pixels - x + tiles - 1) / tiles;
      tile_of<Kind, kTilePixels, B>(
          count, c, from + x * c.step, input.row, weights + inside.first * c.run * 4 * kLanes,
          inside.end - inside.first, start, epilogue, output, block, row, x);
      x += count;
    }
  }
}

template <typename Kind>
void convolve_kind(const Convolution& c, const Input& input, const Epilogue& epilogue,
                   const Output& output, const Part& part) {
  int64_t block = part.block_begin;
  for (; block + kTileBlocks <= part.block_end; block += kTileBlocks)
    convolve_rows<Kind, kTileBlocks>(c, input, epilogue, output, block, part.row_begin,
                                     part.row_end);
  for (; block < part.block_end; ++block)
    convolve_rows<Kind, 1>(c, input, epilogue, output, block, part.row_begin, part.row_end);
}

void convolve(const Convolution& c, const Input& input, const Epilogue& epilogue,
              const Output& output, const Part& part) {
  if (input.cell == Cell::F32) return convolve_kind<Reals>(c, input, epilogue, output, part);
  if constexpr (kHasBytes)
    if (input.cell == Cell::U8) return convolve_kind<Bytes>(c, input, epilogue, output, part);
  convolve_kind<Shorts>(c, input, epilogue, output, part);
}

// --- depthwise, pooling, and what has no window ---

void depthwise(const Depthwise& d, const Input& input, const Epilogue& epilogue,
               const Output& output, const Part& part) {
  const int64_t lanes = bytes_of_lanes(input.cell);
  const int64_t columns = d.window.columns;
  for (int64_t row = part.row_begin; row < part.row_end; ++row) {
    const Rows inside = rows_inside(d.window, row);
    const char* from = input.data + (row * d.window.stride - d.window.top) * input.row + d.start_x;
    for (int64_t x = 0; x < d.pixels; ++x)
      for (int64_t block = part.block_begin; block < part.block_end; ++block) {
        Ints sum = broadcast_integer(0);
        for (int64_t k = inside.first; k < inside.end; ++k)
          for (int64_t j = 0; j < columns; ++j) {
            const char* at = from + k * input.row + x * d.step + j * d.tap + block * lanes;
            const int16_t* w = d.weights + (k * columns + j) * d.channels + block * kLanes;
            sum = add(sum, multiply(load_integers(at, input.cell, input.shift), load_cells(w)));
          }
        finish_tile(epilogue, output, &sum, 1, 1, block, row, x);
      }
  }
}

template <typename Sum, bool kMax>
void pool_cells(const Pool& p, const Input& input, const Epilogue& epilogue, const Output& output,
                const Part& part) {
  const int64_t lanes = bytes_of_lanes(input.cell);
  for (int64_t row = part.row_begin; row < part.row_end; ++row) {
    const Rows inside = rows_inside(p.window, row);
    const char* from = input.data + (row * p.window.stride - p.window.top) * input.row;
    for (int64_t x = 0; x < p.pixels; ++x) {
      const int64_t left = x * p.stride_x - p.left;
      const int64_t first = left < 0 ? -left : 0;
      const int64_t end = least_of(p.window.columns, p.width - left);
      for (int64_t block = part.block_begin; block < part.block_end; ++block) {
        Sum sum = Sum{};
        bool any = false;
        for (int64_t k = inside.first; k < inside.end; ++k)
          for (int64_t j = first; j < end; ++j) {
            const char* at = from + k * input.row + (left + j) * input.pixel + block * lanes;
            Sum value;
            load_value(at, input.cell, input.shift, value);
            if constexpr (kMax)
              sum = any ? greatest(sum, value) : value;
            else
              sum = add(sum, value);
            any = true;
          }
        finish_tile(epilogue, output, &sum, 1, 1, block, row, x);
      }
    }
  }
}

void pool(const Pool& p, const Input& input, const Epilogue& epilogue, const Output& output,
          const Part& part) {
  const bool real = input.cell == Cell::F32;
  if (p.max)
    return real ? pool_cells<Floats, true>(p, input, epilogue, output, part)
                : pool_cells<Ints, true>(p, input, epilogue, output, part);
  return real ? pool_cells<Floats, false>(p, input, epilogue, output, part)
              : pool_cells<Ints, false>(p, input, epilogue, output, part);
}

void map(int64_t pixels, const Input& input, const Epilogue& epilogue, const Output& output,
         const Part& part) {
  const int64_t lanes = bytes_of_lanes(input.cell);
  for (int64_t row = part.row_begin; row < part.row_end; ++row)
    for (int64_t x = 0; x < pixels; ++x)
      for (int64_t block = part.block_begin; block < part.block_end; ++block) {
        const char* at = input.data + row * input.row + x * input.pixel + block * lanes;
        const Floats x_block = load_floats(at, input.cell, input.shift);
        finish_tile(epilogue, output, &x_block, 1, 1, block, row, x);
      }
}

// --- sums over edges ---

template <typename Sum, int B>
QUANTBENCH_INLINE void aggregate_row(const Aggregation& g, const Input& input,
                                     const Epilogue& epilogue, const Output& output, int64_t block,
                                     int64_t row) {
  const int64_t lanes = bytes_of_lanes(input.cell);
  Sum sums[B] = {};
  for (int64_t e = g.offsets[row]; e < g.offsets[row + 1]; ++e) {
    const char* from = input.data + g.source[e] * input.pixel + block * lanes;
    unroll<B>([&](auto i) QB_ALWAYS {
      constexpr int b = decltype(i)::value;
      Sum value;
      load_value(from + b * lanes, input.cell, input.shift, value);
      if (g.weight) value = scale_by(value, g.weight[e]);
      sums[b] = add(sums[b], value);
    });
  }
  if (!g.divisor) return finish_tile(epilogue, output, sums, 1, B, block, row, 0);
  Floats means[B];
  for (int b = 0; b < B; ++b) means[b] = divide(to_float(sums[b]), broadcast(g.divisor[row]));
  finish_tile(epilogue, output, means, 1, B, block, row, 0);
}

template <typename Sum>
void aggregate_cells(const Aggregation& g, const Input& input, const Epilogue& epilogue,
                     const Output& output, const Part& part) {
  for (int64_t row = part.row_begin; row < part.row_end; ++row) {
    int64_t block = part.block_begin;
    for (; block + 8 <= part.block_end; block += 8)
      aggregate_row<Sum, 8>(g, input, epilogue, output, block, row);
    for (; block + 2 <= part.block_end; block += 2)
      aggregate_row<Sum, 2>(g, input, epilogue, output, block, row);
    for (; block < part.block_end; ++block)
      aggregate_row<Sum, 1>(g, input, epilogue, output, block, row);
  }
}

void aggregate(const Aggregation& g, const Input& input, const Epilogue& epilogue,
               const Output& output, const Part& part) {
  if (input.cell == Cell::F32)
    aggregate_cells<Floats>(g, input, epilogue, output, part);
  else
    aggregate_cells<Ints>(g, input, epilogue, output, part);
}

// --- the batch's input ---

void interleave(const float* image, int64_t plane, int64_t pixels, int64_t channels,
                const Epilogue& epilogue, const Output& output, const Part& part) {
  const Floats low = broadcast(epilogue.low), high = broadcast(epilogue.high);
  for (int64_t row = part.row_begin; row < part.row_end; ++row)
    for (int64_t c = 0; c < channels; ++c) {
      const Floats a = broadcast(epilogue.a[c]), b = broadcast(epilogue.b[c]);
      const float* from = image + c * plane + row * pixels;
      char* to = output.data + row * output.row;
      for (int64_t x = 0; x < pixels; x += kLanes) {
        const int64_t count = least_of(kLanes, pixels - x);
        float numbers[kLanes] = {};
        for (int64_t i = 0; i < count; ++i) numbers[i] = from[x + i];
        Floats u = multiply_add(a, load(numbers), b);
        if (epilogue.quantized) u = number_or_zero(u);
        u = hold(u, low, high);
        int32_t integers[kLanes];
        if (epilogue.quantized)
          store(integers, round(u));
        else
          store(numbers, u);
        for (int64_t i = 0; i < count; ++i) {
          char* at = to + (x + i) * output.pixel;
          if (!epilogue.quantized)
            reinterpret_cast<float*>(at)[c] = numbers[i];
          else if (output.cell == Cell::I16)
            reinterpret_cast<int16_t*>(at)[c] = static_cast<int16_t>(integers[i]);
          else if (output.cell == Cell::U8)
            reinterpret_cast<uint8_t*>(at)[c] = static_cast<uint8_t>(integers[i] + output.shift);
          else
            reinterpret_cast<int32_t*>(at)[c] = integers[i];
        }
      }
    }
}

// --- peaks ---

int64_t peak_integer(int64_t rounds, int32_t* sink) {
  constexpr int kChains = 12;
  Ints sums[kChains] = {}, total = {};
  Ints x = broadcast_integer(3), w = broadcast_integer(2);
  for (int64_t k = 0; k < rounds; ++k) {
    unroll<kChains>([&](auto i) QB_ALWAYS {
      constexpr int j = decltype(i)::value;
      keep(x);
      sums[j] = kHasBytes ? dot_bytes(sums[j], x, w) : dot_shorts(sums[j], x, w);
      keep(sums[j]);
    });
  }
  unroll<kChains>([&](auto i) QB_ALWAYS { total = add(total, sums[decltype(i)::value]); });
  store(sink, total);
  return rounds * kChains * kLanes * (kHasBytes ? 4 : 2);
}

int64_t peak_float(int64_t rounds, float* sink) {
  constexpr int kChains = 12;
  Floats sums[kChains] = {}, total = {};
  Floats x = broadcast(0.5f), w = broadcast(0.25f);
  for (int64_t k = 0; k < rounds; ++k) {
    unroll<kChains>([&](auto i) QB_ALWAYS {
      constexpr int j = decltype(i)::value;
      keep(x);
      sums[j] = multiply_add(x, w, sums[j]);
      keep(sums[j]);
    });
  }
  unroll<kChains>([&](auto i) QB_ALWAYS { total = add(total, sums[decltype(i)::value]); });
  store(sink, total);
  return rounds * kChains * kLanes;
}

constexpr KernelTable kTable{kName,    kLanes,    kTilePixels, kHasBytes, peak_integer, peak_float,
                             convolve, depthwise, pool,        map,       aggregate,    interleave};
