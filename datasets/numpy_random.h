// NumPy's RandomState as far as published splits need it: MT19937 seeded by one number, and its
// shuffle, which draws from the last element down and takes as many low bits as the bound needs
// until they do not exceed it.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace quantbench {

class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : twister_(seed) {}

  void shuffle(std::vector<int64_t>& values);
  // 0 ... count - 1, shuffled: what scikit-learn's train_test_split draws. `count` below 2^32.
  std::vector<int64_t> permutation(int64_t count);

 private:
  uint32_t up_to(uint32_t bound);

  std::mt19937 twister_;
};

}  // namespace quantbench
