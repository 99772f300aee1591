#include "runtime/engine/kernel_step.h"

#include <algorithm>
#include <cstring>

namespace quantbench::engine {

const char* suffix(Cell cell) {
  return cell == Cell::U8    ? " u8"
         : cell == Cell::I16 ? " i16"
         : cell == Cell::I32 ? " i32"
                             : " f32";
}

Part part_of(int64_t rows, int64_t blocks, int worker, int workers) {
  Part part{0, rows, 0, blocks};
  if (rows >= workers) {
    part.row_begin = share(rows, worker, workers);
    part.row_end = share(rows, worker + 1, workers);
  } else {
    const int64_t pairs = (blocks + 1) / 2;
    part.block_begin = std::min(2 * share(pairs, worker, workers), blocks);
    part.block_end = std::min(2 * share(pairs, worker + 1, workers), blocks);
  }
  return part;
}

void fill_borders(const Layout& y, char* memory, const Part& part) {
  if ((y.left == 0 && y.right == 0) || part.block_begin != 0) return;
  const auto left = static_cast<size_t>(y.left * y.pixel_bytes());
  const auto right = static_cast<size_t>(y.right * y.pixel_bytes());
  for (int64_t row = part.row_begin; row < part.row_end; ++row) {
    char* at = memory + row * y.row_bytes();
    std::memset(at, y.shift, left);
    std::memset(at + left + y.width * y.pixel_bytes(), y.shift, right);
  }
}

}  // namespace quantbench::engine
