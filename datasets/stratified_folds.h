// The k folds that scikit-learn's StratifiedKFold(k, shuffle=True, random_state=seed) makes, number
// for number, so that results by published folds can be compared graph by graph.
#pragma once

#include <cstdint>
#include <vector>

namespace quantbench {

// labels: any integers. Returns each sample's test fold, 0..folds-1; every fold has the classes in
// the proportions of the whole. Throws Error when no class has a sample for every fold.
std::vector<int64_t> stratified_folds(const std::vector<int64_t>& labels, int64_t folds,
                                      uint32_t seed);

}  // namespace quantbench
