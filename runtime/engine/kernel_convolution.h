// Part of kernel_body.h: convolutions and matrix products, a tile of pixels and channels at a time.

// How operands of each cell are multiplied: a `unit` of cells, broadcast, by a vector of weights.
struct Bytes {
  static constexpr int unit_bytes = 4;
  static constexpr bool centered = true;
  using Sum = Ints;
  using Vector = Ints;
  static QUANTBENCH_INLINE Sum start(const int32_t* at) { return load(at); }
  static QUANTBENCH_INLINE Vector spread(const char* at) { return broadcast_unit(at); }
  static QUANTBENCH_INLINE Vector weights(const char* at) { return load_weights(at); }
  static QUANTBENCH_INLINE Sum dot(Sum sum, Vector x, Vector w) { return dot_bytes(sum, x, w); }
};
struct Shorts {
  static constexpr int unit_bytes = 4;
  static constexpr bool centered = false;
  using Sum = Ints;
  using Vector = Ints;
  static QUANTBENCH_INLINE Sum start(const int32_t* at) { return load(at); }
  static QUANTBENCH_INLINE Vector spread(const char* at) { return broadcast_unit(at); }
  static QUANTBENCH_INLINE Vector weights(const char* at) { return load_weights(at); }
  static QUANTBENCH_INLINE Sum dot(Sum sum, Vector x, Vector w) { return dot_shorts(sum, x, w); }
};
struct Reals {
  static constexpr int unit_bytes = 4;
  static constexpr bool centered = false;
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

// Tiles of P pixels by B blocks of channels. Every shape of tile is a function of its own: together
// the compiler would keep more alive than there are registers.
template <typename Kind, int P, int B, End kEnd>
__attribute__((noinline)) void convolve_strip(const Convolution& c, const Input& input,
                                              const Epilogue& epilogue, const Output& output,
                                              const Strip& strip) {
  constexpr int64_t kVector = 4 * kLanes;
  const int64_t weight_row = c.run * kVector, weight_block = c.window.rows * weight_row;
  const char* block_weights = c.weights + strip.block * weight_block;
  const int32_t* offsets = c.offsets;
  for (int64_t row = strip.row_begin; row < strip.row_end; ++row) {
    const Rows inside = rows_inside(c.window, row);
    const char* from = input.data +
                       (row * c.window.stride - c.window.top + inside.first) * input.row +
                       c.start_x + strip.x * c.step;
    const int32_t* start =
        c.start + (c.start_of_row ? c.start_of_row[row] : 0) + strip.block * kLanes;
    const int64_t dots = (inside.end - inside.first) * c.run;
    for (int64_t k = 0; k < strip.count; ++k) {
      typename Kind::Sum sums[P * B];
      unroll<P * B>([&](auto i) QB_ALWAYS {
        sums[decltype(i)::value] = Kind::start(start + decltype(i)::value % B * kLanes);
      });
      if constexpr (Kind::centered)
        if (c.sums)
          unroll<P * B>([&](auto i) QB_ALWAYS {
            constexpr int kSum = decltype(i)::value;
            const Ints center = load(c.center + (strip.block + kSum % B) * kLanes);
            const int32_t sum = c.sums[row * c.pixels + strip.x + k * P + kSum / B];
            sums[kSum] = add(sums[kSum], multiply(center, broadcast_integer(sum)));
          });
      const Pixels<P> pixels(from, c.step);
      const char* weights = block_weights + inside.first * weight_row;
#pragma GCC unroll 2
      for (int64_t i = 0; i < dots; ++i) {
        typename Kind::Vector w[B];
        unroll<B>([&](auto b) QB_ALWAYS {
          w[decltype(b)::value] = Kind::weights(weights + decltype(b)::value * weight_block);
        });
        weights += kVector;
        const int64_t offset = offsets[i];
        unroll<P>([&](auto p) QB_ALWAYS {
          constexpr int kPixel = decltype(p)::value;
          const typename Kind::Vector value = Kind::spread(pixels.template at<kPixel>(offset));
          unroll<B>([&](auto b) QB_ALWAYS {
            constexpr int kSum = kPixel * B + decltype(b)::value;
            sums[kSum] = Kind::dot(sums[kSum], value, w[decltype(b)::value]);
          });
        });
      }
      // Each sum stays in its register: without a word GCC copies them to and fro.
      unroll<P * B>([&](auto i) QB_ALWAYS { pin(sums[decltype(i)::value]); });
      const int64_t x = strip.x + k * P;
      if constexpr (kEnd != End::Any) {
        finish_here<kEnd, P, B>(epilogue, output, sums, strip.block, row, x);
      } else {
        typename Kind::Sum done[P * B];
        unroll<P * B>([&](auto i)
                          QB_ALWAYS { done[decltype(i)::value] = sums[decltype(i)::value]; });
        finish_tile(epilogue, output, done, P, B, strip.block, row, x);
      }
      from += P * c.step;
    }
  }
}

// Tiles of `pixels` <= P pixels.
template <typename Kind, int P, int B, End kEnd, typename... Arguments>
QUANTBENCH_INLINE void strip_of(int64_t pixels, const Arguments&... arguments) {
  if constexpr (P > 1)
    if (pixels != P) return strip_of<Kind, P - 1, B, kEnd>(pixels, arguments...);
  convolve_strip<Kind, P, B, kEnd>(arguments...);
}

// Rows [row_begin, row_end) of `pixels` each, in tiles as equal as can be: the time of a tile grows
// slower than its pixels.
template <typename Kind, int B, End kEnd>
void convolve_rows(const Convolution& c, const Input& input, const Epilogue& epilogue,
                   const Output& output, int64_t block, int64_t row_begin, int64_t row_end,
                   int64_t pixels) {
  constexpr int kPixels = B == 1 ? kSinglePixels : kTilePixels;
  const int64_t tiles = (pixels + kPixels - 1) / kPixels;
  const int64_t wide = (pixels + tiles - 1) / tiles, wide_tiles = tiles - (wide * tiles - pixels);
  if (wide_tiles == tiles)
    return strip_of<Kind, kPixels, B, kEnd>(wide, c, input, epilogue, output,
                                            Strip{block, row_begin, row_end, 0, tiles});
  for (int64_t row = row_begin; row < row_end; ++row) {
    strip_of<Kind, kPixels, B, kEnd>(wide, c, input, epilogue, output,
                                     Strip{block, row, row + 1, 0, wide_tiles});
    strip_of<Kind, kPixels, B, kEnd>(
        wide - 1, c, input, epilogue, output,
        Strip{block, row, row + 1, wide * wide_tiles, tiles - wide_tiles});
  }
}

template <typename Kind, int B, End kEnd>
void convolve_block(const Convolution& c, const Input& input, const Epilogue& epilogue,
                    const Output& output, int64_t block, const Part& part) {
  // The last row may be shorter.
  const int64_t last = c.total_pixels / c.pixels, rest = c.total_pixels % c.pixels;
  const int64_t full_end = least_of(part.row_end, last);
  if (part.row_begin < full_end)
    convolve_rows<Kind, B, kEnd>(c, input, epilogue, output, block, part.row_begin, full_end,
                                 c.pixels);
  if (rest > 0 && part.row_begin <= last && last < part.row_end)
    convolve_rows<Kind, B, kEnd>(c, input, epilogue, output, block, last, last + 1, rest);
}

template <typename Kind, End kEnd>
void convolve_kind(const Convolution& c, const Input& input, const Epilogue& epilogue,
                   const Output& output, const Part& part) {
  int64_t block = part.block_begin;
  for (; block + kTileBlocks <= part.block_end; block += kTileBlocks)
    convolve_block<Kind, kTileBlocks, kEnd>(c, input, epilogue, output, block, part);
  for (; block < part.block_end; ++block)
    convolve_block<Kind, 1, kEnd>(c, input, epilogue, output, block, part);
}

template <typename Kind>
void convolve_integers(const Convolution& c, const Input& input, const Epilogue& epilogue,
                       const Output& output, const Part& part) {
  switch (end_of(epilogue, output)) {
    case End::Any:
      return convolve_kind<Kind, End::Any>(c, input, epilogue, output, part);
    case End::Plain:
      return convolve_kind<Kind, End::Plain>(c, input, epilogue, output, part);
    case End::Residual:
      return convolve_kind<Kind, End::Residual>(c, input, epilogue, output, part);
  }
}

void convolve(const Convolution& c, const Input& input, const Epilogue& epilogue,
              const Output& output, const Part& part) {
  if (input.cell == Cell::F32)
    return convolve_kind<Reals, End::Any>(c, input, epilogue, output, part);
  if constexpr (kHasBytes) {
    if (input.cell == Cell::U8) return convolve_integers<Bytes>(c, input, epilogue, output, part);
    convolve_kind<Shorts, End::Any>(c, input, epilogue, output, part);
  } else {
    convolve_integers<Shorts>(c, input, epilogue, output, part);
  }
}

void sum_bytes(const char* rows, int64_t count, int64_t padded, const char* ones, int32_t* to) {
  for (int64_t r = 0; r < count; ++r) {
    Ints sum = broadcast_integer(0);
    const char* row = rows + r * padded;
    int64_t i = 0;
    for (; i + 4 * kLanes <= padded; i += 4 * kLanes)
      sum = dot_bytes(sum, load_weights(row + i), load_weights(ones + i));
    int32_t lanes[kLanes], total = 0;
    store(lanes, sum);
    for (int k = 0; k < kLanes; ++k) total += lanes[k];
    for (; i < padded; ++i) total += static_cast<unsigned char>(row[i]) * ones[i];
    to[r] = total;
  }
}
