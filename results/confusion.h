// What a classifier takes for what: counts over the stored predictions of one run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "results/store.h"
#include "results/tables/grid.h"

namespace quantbench {

struct Confusion {
  int64_t classes = 0;
  std::vector<int64_t> counts;  // [true class, answer], row by row

  int64_t at(int64_t target, int64_t answer) const {
    return counts[static_cast<size_t>(target * classes + answer)];
  }
  int64_t samples_of(int64_t target) const;
  int64_t answers_of(int64_t answer) const;
};

// Throws Error when a class is negative or there are more than 4,096 of them.
Confusion confusion_of(const PredictionRow& predictions);

// The shipped predictions of a run, or the simulated ones where it has no others. Throws Error when
// it has none.
PredictionRow stored_predictions(const Store& store, int64_t run);

// A row a class: samples, those answered right (recall), the share of such answers that is right
// (precision), and the class it is most often taken for.
Grid class_grid(const Confusion& confusion, const std::string& title);

// The matrix, a line a true class.
std::string confusion_csv(const Confusion& confusion);
std::string confusion_json(const Confusion& confusion, int64_t run, const std::string& kind);

}  // namespace quantbench
