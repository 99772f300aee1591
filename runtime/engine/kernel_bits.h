// Part of portable.cpp and avx512_bits.cpp: products by counting bits.

constexpr int kBitPixels = 8, kBitBlocks = 2;

template <int P, int B, End kEnd>
__attribute__((noinline)) void bit_strip(const BitConvolution& c, const Input& input,
                                         const Epilogue& epilogue, const Output& output,
                                         const Strip& strip) {
  const int64_t row_words = c.run * kLanes, block_words = c.window.rows * row_words;
  const int64_t plane = c.window.rows * c.run;
  const uint32_t* block_weights = c.weights + strip.block * block_words;
  for (int64_t row = strip.row_begin; row < strip.row_end; ++row) {
    const Rows inside = rows_inside(c.window, row);
    const char* from = input.data +
                       (row * c.window.stride - c.window.top + inside.first) * input.row +
                       c.start_x + strip.x * c.step;
    const int32_t* start =
        c.start + (c.start_of_row ? c.start_of_row[row] : 0) + strip.block * kLanes;
    const int64_t dots = (inside.end - inside.first) * c.run;
    for (int64_t k = 0; k < strip.count; ++k) {
      Ints sums[P * B];
      unroll<P * B>([&](auto i) QB_ALWAYS { sums[decltype(i)::value] = broadcast_integer(0); });
      const Pixels<P> pixels(from, c.step);
      for (int j = c.planes - 1; j >= 0; --j) {
        if (j < c.planes - 1)
          unroll<P * B>([&](auto i) QB_ALWAYS {
            sums[decltype(i)::value] = add(sums[decltype(i)::value], sums[decltype(i)::value]);
          });
        const uint32_t* weights = block_weights + inside.first * row_words;
        const int32_t* offsets = c.offsets + j * plane;
#pragma GCC unroll 2
        for (int64_t i = 0; i < dots; ++i) {
          Ints w[B];
          unroll<B>([&](auto b) QB_ALWAYS {
            w[decltype(b)::value] = load_weights(
                reinterpret_cast<const char*>(weights + decltype(b)::value * block_words));
          });
          weights += kLanes;
          const int64_t offset = offsets[i];
          unroll<P>([&](auto p) QB_ALWAYS {
            constexpr int kPixel = decltype(p)::value;
            const Ints value = broadcast_unit(pixels.template at<kPixel>(offset));
            unroll<B>([&](auto b) QB_ALWAYS {
              constexpr int kSum = kPixel * B + decltype(b)::value;
              sums[kSum] = add(sums[kSum], different_bits(value, w[decltype(b)::value]));
            });
          });
        }
        unroll<P * B>([&](auto i) QB_ALWAYS { pin(sums[decltype(i)::value]); });
      }
      unroll<P * B>([&](auto i) QB_ALWAYS {
        constexpr int kSum = decltype(i)::value;
        sums[kSum] = subtract(load(start + kSum % B * kLanes), sums[kSum]);
      });
      const int64_t x = strip.x + k * P;
      if constexpr (kEnd != End::Any)
        finish_here<kEnd, P, B>(epilogue, output, sums, strip.block, row, x);
      else
        finish_tile(epilogue, output, sums, P, B, strip.block, row, x);
      from += P * c.step;
    }
  }
}

template <int P, int B, End kEnd, typename... Arguments>
QUANTBENCH_INLINE void bit_strip_of(int64_t pixels, const Arguments&... arguments) {
  if constexpr (P > 1)
    if (pixels != P) return bit_strip_of<P - 1, B, kEnd>(pixels, arguments...);
  bit_strip<P, B, kEnd>(arguments...);
}

template <int B, End kEnd>
void bit_block(const BitConvolution& c, const Input& input, const Epilogue& epilogue,
               const Output& output, int64_t block, const Part& part) {
  for (int64_t row = part.row_begin; row < part.row_end; ++row) {
    const int64_t pixels = least_of(c.pixels, c.total_pixels - row * c.pixels);
    const int64_t whole = pixels / kBitPixels, rest = pixels % kBitPixels;
    if (whole > 0)
      bit_strip<kBitPixels, B, kEnd>(c, input, epilogue, output,
                                     Strip{block, row, row + 1, 0, whole});
    if (rest > 0)
      bit_strip_of<kBitPixels - 1, B, kEnd>(rest, c, input, epilogue, output,
                                            Strip{block, row, row + 1, whole * kBitPixels, 1});
  }
}

template <End kEnd>
void bit_blocks(const BitConvolution& c, const Input& input, const Epilogue& epilogue,
                const Output& output, const Part& part) {
  int64_t block = part.block_begin;
  for (; block + kBitBlocks <= part.block_end; block += kBitBlocks)
    bit_block<kBitBlocks, kEnd>(c, input, epilogue, output, block, part);
  for (; block < part.block_end; ++block)
    bit_block<1, kEnd>(c, input, epilogue, output, block, part);
}

void convolve_bits(const BitConvolution& c, const Input& input, const Epilogue& epilogue,
                   const Output& output, const Part& part) {
  // Only the two ends of one kind: bit counts are few beside what a residual costs.
  if (end_of(epilogue, output) == End::Plain)
    bit_blocks<End::Plain>(c, input, epilogue, output, part);
  else
    bit_blocks<End::Any>(c, input, epilogue, output, part);
}

void slice(const uint8_t* from, int64_t pixels, int64_t padded, int64_t channels, int planes,
           uint32_t* to) {
  const int64_t words = (channels + 31) / 32;
  for (int64_t p = 0; p < pixels; ++p, from += padded, to += planes * words)
    for (int64_t k = 0; k < words; ++k) {
      const int64_t count = channels - 32 * k;
      const uint32_t kept = count >= 32 ? ~0u : (1u << count) - 1;
      for (int j = 0; j < planes; ++j)
        to[j * words + k] = plane_of(from + 32 * k, least_of(count, 32), j) & kept;
    }
}
