// Samples that are rows of numbers, kept as floats in memory: what datasets of measured features
// share. It never reads a file.
#pragma once

#include <array>

#include "datasets/dataset.h"

namespace quantbench {

struct Table {
  Tensor features;           // float32 [rows, features]
  Tensor labels;             // int64 [rows]
  std::vector<int64_t> ids;  // of each row, for per-sample predictions
};

// The rows of `table` at `positions`, with these positions as ids.
Table select(const Table& table, const std::vector<int64_t>& positions);

// Subtracts the mean of each feature and divides by its deviation (of the whole, not of a sample),
// both over the rows of `by`; a feature that never varies is only shifted.
void standardise(const Table& by, const std::vector<Table*>& tables);

class TableDataset : public Dataset {
 public:
  // `tables` in the order of Split. `fingerprint` and `preprocessing` are handed on.
  TableDataset(std::array<Table, 3> tables, int64_t class_count, std::string fingerprint,
               std::string preprocessing);

  int64_t size(Split split) const override { return table(split).labels.size(0); }
  int64_t class_count() const override { return class_count_; }
  std::vector<int64_t> input_shape() const override { return {tables_[0].features.size(1)}; }
  Batch batch(Split split, const BatchRequest& request) const override;
  std::string fingerprint() const override { return fingerprint_; }
  std::string preprocessing() const override { return preprocessing_; }

 private:
  const Table& table(Split split) const { return tables_[static_cast<size_t>(split)]; }

  std::array<Table, 3> tables_;
  int64_t class_count_;
  std::string fingerprint_, preprocessing_;
};

}  // namespace quantbench
