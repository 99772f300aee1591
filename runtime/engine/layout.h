// Where the numbers of a value lie in memory: pixel after pixel, channels last, each pixel rounded
// up to whole vectors, each row of pixels with borders of zeros for the convolutions that read it.
#pragma once

#include <cstdint>

#include "runtime/engine/kernels.h"

namespace quantbench::engine {

constexpr int64_t bytes_of(Cell cell) { return cell == Cell::U8 ? 1 : cell == Cell::I16 ? 2 : 4; }

constexpr int64_t rounded_up(int64_t value, int64_t block) {
  return (value + block - 1) / block * block;
}

// What a value has a row of numbers for.
enum class Per : uint8_t { Image, Node, Graph };

// Rows of a matrix that lie side by side, as the pixels of one row of an image: whole tiles of 6,
// 8, 12 and 16.
constexpr int64_t kRowsTogether = 48;

struct Layout {
  Cell cell = Cell::F32;
  int32_t shift = 0;  // what is stored is n + shift
  int64_t channels = 1, height = 1, width = 1;
  int64_t padded = 1;           // cells of a pixel
  int64_t left = 0, right = 0;  // pixels of border
  Per per = Per::Image;         // Node, Graph: a matrix of any number of rows

  int64_t pixel_bytes() const { return padded * bytes_of(cell); }
  int64_t row_bytes() const { return (left + width + right) * pixel_bytes(); }
  // A matrix of `count` rows as an image, `together` of them side by side.
  Layout of(int64_t count, int64_t together = kRowsTogether) const {
    if (per == Per::Image) return *this;
    Layout out = *this;
    out.width = together;
    out.height = rounded_up(count, together) / together;
    return out;
  }
  // With room for a vector read past the end.
  int64_t bytes() const { return height * row_bytes() + 64; }

  Input input(const char* memory) const {
    return {memory + left * pixel_bytes(), row_bytes(), pixel_bytes(), cell, shift};
  }
  Output output(char* memory) const {
    return {memory + left * pixel_bytes(), row_bytes(), pixel_bytes(), cell, shift};
  }
};

}  // namespace quantbench::engine
