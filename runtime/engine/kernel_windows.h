// Part of kernel_body.h: depthwise convolutions, pooling, and what has no window.

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

// The common kinds of map by themselves: of numbers in kIn to native integers or to floats, with
// one native addend or none.
template <Cell kIn, bool kQuantized, bool kResidual>
__attribute__((noinline)) void map_rows(int64_t pixels, const Input& input,
                                        const Epilogue& epilogue, const Output& output,
                                        const Part& part) {
  Epilogue how = epilogue;
  Output where = output;
  how.quantized = kQuantized;
  how.residual_count = kResidual ? 1 : 0;
  if (kResidual) how.residuals[0].cell = kNative;
  where.cell = kQuantized ? kNative : Cell::F32;
  const int64_t lanes = bytes_of_lanes(kIn), blocks = part.block_end - part.block_begin;
  for (int64_t row = part.row_begin; row < part.row_end; ++row)
    for (int64_t x = 0; x < pixels; ++x) {
      const Place at = place(how, where, part.block_begin, row, x);
      const char* from = input.data + row * input.row + x * input.pixel + part.block_begin * lanes;
      for (int64_t b = 0; b < blocks; ++b, from += lanes)
        finish_one(how, where, at, load_floats(from, kIn, input.shift), b, 0);
    }
}

using MapRows = void (*)(int64_t, const Input&, const Epilogue&, const Output&, const Part&);

template <Cell kIn>
MapRows map_of(const Epilogue& epilogue, const Output& output) {
  const bool residual = epilogue.residual_count == 1 && epilogue.residuals[0].cell == kNative;
  if (!epilogue.a || (epilogue.residual_count > 0 && !residual)) return nullptr;
  if (!epilogue.quantized) return residual ? nullptr : map_rows<kIn, false, false>;
  if (output.cell != kNative) return nullptr;
  return residual ? map_rows<kIn, true, true> : map_rows<kIn, true, false>;
}

void map(int64_t pixels, const Input& input, const Epilogue& epilogue, const Output& output,
         const Part& part) {
  const MapRows rows = input.cell == kNative     ? map_of<kNative>(epilogue, output)
                       : input.cell == Cell::F32 ? map_of<Cell::F32>(epilogue, output)
                                                 : nullptr;
  if (rows) return rows(pixels, input, epilogue, output, part);
  const int64_t lanes = bytes_of_lanes(input.cell);
  for (int64_t row = part.row_begin; row < part.row_end; ++row)
    for (int64_t x = 0; x < pixels; ++x)
      for (int64_t block = part.block_begin; block < part.block_end; ++block) {
        const char* at = input.data + row * input.row + x * input.pixel + block * lanes;
        const Floats x_block = load_floats(at, input.cell, input.shift);
        finish_tile(epilogue, output, &x_block, 1, 1, block, row, x);
      }
}

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
