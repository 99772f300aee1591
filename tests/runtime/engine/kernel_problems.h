// Random problems for kernels, and what comes out of them by loops that are too simple to be wrong.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "runtime/engine/pack.h"

namespace quantbench::engine {

struct Range {
  int32_t low = 0, high = 0;
};

// What a kernel sees of one random problem, and the integers behind it.
class Image {
 public:
  Image(std::mt19937& random, Range range, Cell cell, int64_t channels, int64_t height,
        int64_t width, int64_t padded, int64_t left, int64_t right)
      : range_(range) {
    layout.cell = cell;
    layout.shift = cell == Cell::U8 ? -range.low : 0;
    layout.channels = channels;
    layout.height = height;
    layout.width = width;
    layout.padded = padded;
    layout.left = left;
    layout.right = right;
    memory.assign(static_cast<size_t>(layout.bytes()), static_cast<char>(0x5a));
    numbers.resize(static_cast<size_t>(channels * height * width));
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = -left; x < width + right; ++x)
        for (int64_t c = 0; c < channels; ++c) {
          int32_t n = 0;
          if (x >= 0 && x < width) {
            n = draw(random);
            numbers[static_cast<size_t>((c * height + y) * width + x)] = n;
          }
          put(y, x, c, n);
        }
    }
  }

  int32_t at(int64_t c, int64_t y, int64_t x) const {
    if (y < 0 || y >= layout.height || x < 0 || x >= layout.width) return 0;
    return numbers[static_cast<size_t>((c * layout.height + y) * layout.width + x)];
  }
  Input input() const { return layout.input(memory.data()); }

  Layout layout;
  std::vector<char> memory;
  std::vector<int32_t> numbers;

 private:
  // Often one of the extremes.
  int32_t draw(std::mt19937& random) const {
    switch (random() % 4) {
      case 0:
        return range_.low;
      case 1:
        return range_.high;
      default:
        return range_.low +
               static_cast<int32_t>(random() % static_cast<uint32_t>(range_.high - range_.low + 1));
    }
  }

  void put(int64_t y, int64_t x, int64_t c, int32_t n) {
    char* pixel = memory.data() + layout.left * layout.pixel_bytes() + y * layout.row_bytes() +
                  x * layout.pixel_bytes();
    if (layout.cell == Cell::U8)
      reinterpret_cast<uint8_t*>(pixel)[c] = static_cast<uint8_t>(n + layout.shift);
    if (layout.cell == Cell::I16) reinterpret_cast<int16_t*>(pixel)[c] = static_cast<int16_t>(n);
    if (layout.cell == Cell::I32) reinterpret_cast<int32_t*>(pixel)[c] = n;
    if (layout.cell == Cell::F32) reinterpret_cast<float*>(pixel)[c] = static_cast<float>(n);
  }

  Range range_;
};

inline float read(const Layout& y, const std::vector<char>& memory, int64_t c, int64_t row,
                  int64_t x) {
  const char* pixel = memory.data() + (y.left + x) * y.pixel_bytes() + row * y.row_bytes();
  if (y.cell == Cell::U8)
    return static_cast<float>(reinterpret_cast<const uint8_t*>(pixel)[c] - y.shift);
  if (y.cell == Cell::I16) return reinterpret_cast<const int16_t*>(pixel)[c];
  if (y.cell == Cell::I32) return static_cast<float>(reinterpret_cast<const int32_t*>(pixel)[c]);
  return reinterpret_cast<const float*>(pixel)[c];
}

// A random affine end with up to two residuals, and where it writes.
class End {
 public:
  End(std::mt19937& random, int64_t channels, int64_t height, int64_t width, int lanes,
      double reach) {
    layout.channels = channels;
    layout.height = height;
    layout.width = width;
    layout.padded = rounded_up(channels, lanes);
    layout.left = static_cast<int64_t>(random() % 3);
    layout.right = static_cast<int64_t>(random() % 2);
    const Cell cells[] = {Cell::U8, Cell::I16, Cell::I16, Cell::I32, Cell::F32};
    layout.cell = cells[random() % 5];
    quantized = layout.cell != Cell::F32;
    bounded = quantized && random() % 2;
    layout.shift = layout.cell == Cell::U8 && random() % 2 ? 128 : 0;
    low = layout.cell == Cell::U8 ? static_cast<float>(-layout.shift) : -300.0f;
    high = low + (layout.cell == Cell::U8 ? 255.0f : 500.0f);
    memory.assign(static_cast<size_t>(layout.bytes()), 0);
    std::uniform_real_distribution<float> number(-1.0f, 1.0f);
    const auto fill = [&](double scale) {
      std::vector<float> out(static_cast<size_t>(layout.padded), 0.0f);
      for (int64_t c = 0; c < channels; ++c)
        out[static_cast<size_t>(c)] = number(random) * static_cast<float>(scale);
      return out;
    };
    a = fill(400.0 / reach);
    b = fill(100);
    // Ties: half of the channels get powers of two, so that sums often end in one half.
    for (size_t c = 0; c < a.size(); c += 2) {
      if (a[c] != 0) a[c] = std::copysign(std::exp2(std::floor(std::log2(std::fabs(a[c])))), a[c]);
      b[c] = std::nearbyint(b[c]) + 0.5f;
    }
    const auto count = random() % 3;
    for (size_t k = 0; k < count; ++k) {
      const Cell cell = random() % 2 ? layout.cell : Cell::I16;
      const Range range = cell == Cell::U8 ? Range{-5, 250} : Range{-300, 300};
      residuals.emplace_back(random, range, cell, channels, height, width, layout.padded, 1, 1);
      factors.push_back(fill(0.5));
    }
  }

  Epilogue epilogue() const {
    Epilogue out;
    out.a = a.data();
    out.b = b.data();
    out.quantized = quantized;
    out.low = low;
    out.high = high;
    out.bounded = bounded;
    for (size_t k = 0; k < residuals.size(); ++k) {
      const Input in = residuals[k].input();
      out.residuals[out.residual_count++] = {in.data, in.row,   in.pixel,
                                             in.cell, in.shift, factors[k].data()};
    }
    return out;
  }

  float expected(float acc, int64_t c, int64_t y, int64_t x) const {
    const auto i = static_cast<size_t>(c);
    float u = std::fma(a[i], acc, b[i]);
    for (size_t k = 0; k < residuals.size(); ++k)
      u = std::fma(factors[k][i], static_cast<float>(residuals[k].at(c, y, x)), u);
    u = u < low ? low : u > high ? high : u;
    return quantized ? std::nearbyint(u) : u;
  }

  Layout layout;
  std::vector<char> memory;
  std::vector<float> a, b;
  std::vector<Image> residuals;
  std::vector<std::vector<float>> factors;
  bool quantized = true, bounded = false;
  float low = 0, high = 0;
};

template <typename F>
void expect_all(const End& end, const F& accumulator) {
  for (int64_t c = 0; c < end.layout.channels; ++c)
    for (int64_t y = 0; y < end.layout.height; ++y)
      for (int64_t x = 0; x < end.layout.width; ++x)
        ASSERT_EQ(read(end.layout, end.memory, c, y, x),
                  end.expected(accumulator(c, y, x), c, y, x))
            << "channel " << c << " row " << y << " column " << x;
}

inline int64_t pick(std::mt19937& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
}

// Runs `call` on all of the output, or in two parts.
template <typename F>
void in_parts(std::mt19937& random, int64_t rows, int64_t blocks, const F& call) {
  const int64_t row = pick(random, 0, rows), block = pick(random, 0, blocks);
  if (random() % 2) {
    call(Part{0, row, 0, blocks});
    call(Part{row, rows, 0, blocks});
  } else {
    call(Part{0, rows, 0, block});
    call(Part{0, rows, block, blocks});
  }
}

}  // namespace quantbench::engine
