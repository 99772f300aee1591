#include "datasets/numpy_random.h"

#include <numeric>
#include <utility>

#include "base/error.h"

namespace quantbench {

void NumpyRandom::shuffle(std::vector<int64_t>& values) {
  for (size_t i = values.size(); i-- > 1;)
    std::swap(values[i], values[up_to(static_cast<uint32_t>(i))]);
}

std::vector<int64_t> NumpyRandom::permutation(int64_t count) {
  require(count >= 0 && count <= int64_t{UINT32_MAX}, "{} numbers cannot be shuffled.", count);
  std::vector<int64_t> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), int64_t{0});
  shuffle(out);
  return out;
}

uint32_t NumpyRandom::up_to(uint32_t bound) {
  uint32_t mask = bound;
  for (int shift : {1, 2, 4, 8, 16}) mask |= mask >> shift;
  uint32_t value;
  do value = static_cast<uint32_t>(twister_()) & mask;
  while (value > bound);
  return value;
}

}  // namespace quantbench
