#include "base/random.h"

#include <numeric>
#include <utility>

namespace quantbench {

std::vector<int64_t> permutation(int64_t count, const RandomStream& stream) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[stream.below(i, i)]);
  return order;
}

}  // namespace quantbench
