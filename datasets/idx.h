// The IDX format of MNIST (LeCun, Cortes, Burges): a big-endian magic number that says the element
// type and the number of dimensions, the dimensions, the elements.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quantbench {

struct IdxBytes {
  std::vector<int64_t> shape;
  std::string_view data;  // row-major; part of the bytes that were parsed
};

// Bytes with `dimensions` dimensions (magic 0x00000801 for 1, 0x00000803 for 3). `what` names the
// file. Throws Error on another magic number, and unless dimensions and length agree exactly.
IdxBytes parse_idx(std::string_view bytes, int dimensions, const std::string& what);

}  // namespace quantbench
