#include "datasets/stratified_folds.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "datasets/numpy_random.h"

namespace quantbench {
std::vector<int64_t> stratified_folds(const std::vector<int64_t>& labels, int64_t folds,
                                      uint32_t seed) {
  // Classes are numbered as they first appear.
  std::map<int64_t, size_t> number;
  std::vector<std::vector<size_t>> members;  // of each class, ascending
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto [found, fresh] = number.emplace(labels[i], members.size());
    if (fresh) members.emplace_back();
    members[found->second].push_back(i);
  }
  size_t most = 0;
  for (const auto& of_class : members) most = std::max(most, of_class.size());
  require(folds >= 2 && static_cast<int64_t>(most) >= folds,
          "{} samples cannot be dealt out to {} folds by class.", labels.size(), folds);

  // Of the samples in the order of their classes, fold i gets numbers i, i + k, i + 2k, ...
  NumpyRandom random(seed);
  std::vector<int64_t> out(labels.size());
  int64_t before = 0;
  for (const std::vector<size_t>& samples : members) {
    std::vector<int64_t> of_class;
    const int64_t end = before + static_cast<int64_t>(samples.size());
    for (int64_t fold = 0; fold < folds; ++fold) {
      const int64_t first = before + (fold - before % folds + folds) % folds;
      for (int64_t at = first; at < end; at += folds) of_class.push_back(fold);
    }
    before = end;
    random.shuffle(of_class);
    for (size_t i = 0; i < samples.size(); ++i) out[samples[i]] = of_class[i];
  }
  return out;
}

}  // namespace quantbench
