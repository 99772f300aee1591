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

struct Layout {
  Cell cell = Cell::F32;
  int32_t shift = 0;  // what is stored is n + shift
  int64_t channels = 1, height = 1, width = 1;
  int64_t padded = 1;           // cells of a pixel
  int64_t left = 0, right = 0;  // pixels of border
  bool rows = false;            // of a graph: any number of pixels, one after the other

  int64_t pixel_bytes() const { return padded * bytes_of(cell); }
  int64_t row_bytes() const { return (left + width + right) * pixel_bytes(); }
  // Of one image, or of `count` rows of a graph; with room for a vector read past the end.
  int64_t bytes(int64_t count = 1) const {
    return (rows ? count * pixel_bytes() : height * row_bytes()) + 64;
  }

  Input input(const char* memory) const {
    return {memory + left * pixel_bytes(), row_bytes(), pixel_bytes(), cell, shift};
  }
  Output output(char* memory) const {
    return {memory + left * pixel_bytes(), row_bytes(), pixel_bytes(), cell, shift};
  }
};

}  // namespace quantbench::engine
