// Part of kernel_body.h: weights that are sums of scaled sign vectors.

template <typename Kind, int P>
QUANTBENCH_INLINE void plane_tile(const PlaneProduct& c, const char* from, const Rows& inside,
                                  int64_t block, Floats* out) {
  constexpr int64_t kVector = 4 * kLanes;
  const Pixels<P> pixels(from, c.step);
  Floats acc[P];
  unroll<P>([&](auto p) QB_ALWAYS { acc[decltype(p)::value] = broadcast(0.0f); });
  const char* weights = c.weights + block * c.vectors_of_block * kVector;
  const float* coefficients = c.coefficients + block * c.bases_of_block * kLanes;
  for (int64_t cut = 0; cut < c.cuts; ++cut) {
    const int32_t* rows = c.first_dot + cut * (c.window.rows + 1);
    const int64_t begin = rows[inside.first], end = rows[inside.end];
    const int64_t dots = rows[c.window.rows] - rows[0];
    for (int32_t base = 0; base < c.bases[cut]; ++base) {
      Ints sums[P];
      unroll<P>([&](auto p) QB_ALWAYS { sums[decltype(p)::value] = broadcast_integer(0); });
      const char* at = weights + (begin - rows[0]) * kVector;
      for (int64_t i = begin; i < end; ++i, at += kVector) {
        const auto w = Kind::weights(at);
        const int64_t offset = c.offsets[i] - inside.first * c.input_row;
        unroll<P>([&](auto p) QB_ALWAYS {
          constexpr int k = decltype(p)::value;
          sums[k] = Kind::dot(sums[k], Kind::spread(pixels.template at<k>(offset)), w);
        });
      }
      const Floats coefficient = load(coefficients);
      unroll<P>([&](auto p) QB_ALWAYS {
        constexpr int k = decltype(p)::value;
        acc[k] = multiply_add(coefficient, to_float(sums[k]), acc[k]);
      });
      weights += dots * kVector;
      coefficients += kLanes;
    }
  }
  unroll<P>([&](auto p) QB_ALWAYS { out[decltype(p)::value] = acc[decltype(p)::value]; });
}

template <typename Kind>
void plane_rows(const PlaneProduct& c, const Input& input, const Epilogue& epilogue,
                const Output& output, const Part& part) {
  constexpr int kPixels = kTilePixels < 8 ? kTilePixels : 8;
  for (int64_t row = part.row_begin; row < part.row_end; ++row) {
    const Rows inside = rows_inside(c.window, row);
    const char* from =
        input.data + (row * c.window.stride - c.window.top + inside.first) * input.row + c.start_x;
    const int64_t pixels = least_of(c.pixels, c.total_pixels - row * c.pixels);
    for (int64_t block = part.block_begin; block < part.block_end; ++block) {
      int64_t x = 0;
      Floats acc[kPixels];
      for (; x + kPixels <= pixels; x += kPixels) {
        plane_tile<Kind, kPixels>(c, from + x * c.step, inside, block, acc);
        finish_tile(epilogue, output, acc, kPixels, 1, block, row, x);
      }
      for (; x < pixels; ++x) {
        plane_tile<Kind, 1>(c, from + x * c.step, inside, block, acc);
        finish_tile(epilogue, output, acc, 1, 1, block, row, x);
      }
    }
  }
}

void multiply_planes(const PlaneProduct& c, const Input& input, const Epilogue& epilogue,
                     const Output& output, const Part& part) {
  if constexpr (kHasBytes)
    if (input.cell == Cell::U8) return plane_rows<Bytes>(c, input, epilogue, output, part);
  plane_rows<Shorts>(c, input, epilogue, output, part);
}
