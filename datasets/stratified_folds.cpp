#include "datasets/stratified_folds.h"

#include <algorithm>
#include <map>
#include <random>

#include "base/error.h"

namespace quantbench {
namespace {

// NumPy's RandomState: MT19937, seeded by one number, and its shuffle, which draws from the last
// element down and takes as many low bits as the bound needs until they do not exceed it.
class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : twister_(seed) {}

  void shuffle(std::vector<int64_t>& values) {
    for (size_t i = values.size(); i-- > 1;)
      std::swap(values[i], values[up_to(static_cast<uint32_t>(i))]);
  }

 private:
  uint32_t up_to(uint32_t bound) {
    uint32_t mask = bound;
    for (int shift : {1, 2, 4, 8, 16}) mask |= mask >> shift;
    uint32_t value;
    do value = static_cast<uint32_t>(twister_()) & mask;
    while (value > bound);
    return value;
  }

  std::mt19937 twister_;
};

}  // namespace

std::vector<int64_t> stratified_folds(const std::vector<int64_t>& labels, int64_t folds,
                                      uint32_t seed) {
  // Classes are numbered as they first appear.
  std::map<int64_t, size_t> number;
  std::vector<size_t> encoded;
  std::vector<int64_t> count;
  for (int64_t label : labels) {
    const auto [found, fresh] = number.emplace(label, count.size());
    if (fresh) count.push_back(0);
    ++count[found->second];
    encoded.push_back(found->second);
  }
  require(!count.empty() && folds >= 2 && *std::max_element(count.begin(), count.end()) >= folds,
          "{} samples cannot be dealt out to {} folds by class.", labels.size(), folds);

  // Of the samples in the order of their classes, fold i gets numbers i, i + k, i + 2k, ...
  NumpyRandom random(seed);
  std::vector<int64_t> out(labels.size());
  int64_t before = 0;
  for (size_t c = 0; c < count.size(); ++c) {
    std::vector<int64_t> of_class;
    for (int64_t fold = 0; fold < folds; ++fold)
      for (int64_t at = before; at < before + count[c]; ++at)
        if (at % folds == fold) of_class.push_back(fold);
    before += count[c];
    random.shuffle(of_class);
    auto next = of_class.begin();
    for (size_t i = 0; i < labels.size(); ++i)
      if (encoded[i] == c) out[i] = *next++;
  }
  return out;
}

}  // namespace quantbench
