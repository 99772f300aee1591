#include "datasets/table.h"

#include "base/error.h"

namespace quantbench {

Table select(const Table& table, const std::vector<int64_t>& positions) {
  const Tensor index = torch::tensor(positions, torch::kLong);
  return {table.features.index_select(0, index), table.labels.index_select(0, index), positions};
}

void standardise(const Table& by, const std::vector<Table*>& tables) {
  const Tensor wide = by.features.to(torch::kDouble);
  const Tensor mean = wide.mean(0);
  const Tensor deviation = (wide - mean).square().mean(0).sqrt();
  const Tensor divisor = torch::where(deviation > 0, deviation, torch::ones_like(deviation));
  for (Table* table : tables)
    table->features = ((table->features.to(torch::kDouble) - mean) / divisor).to(torch::kFloat);
}

TableDataset::TableDataset(std::array<Table, 3> tables, int64_t class_count,
                           std::string fingerprint, std::string preprocessing)
    : tables_(std::move(tables)),
      class_count_(class_count),
      fingerprint_(std::move(fingerprint)),
      preprocessing_(std::move(preprocessing)) {}

Batch TableDataset::batch(Split split, const BatchRequest& request) const {
  const Table& rows = table(split);
  const auto count = static_cast<int64_t>(request.positions.size());
  Batch out;
  out.sample_ids = torch::empty({count}, torch::kLong);
  int64_t* sample = out.sample_ids.data_ptr<int64_t>();
  for (int64_t position : request.positions) {
    require(position >= 0 && position < size(split), "There is no {} sample {}; there are {}.",
            name_of(split), position, size(split));
    *sample++ = rows.ids[static_cast<size_t>(position)];
  }
  const Tensor index = torch::tensor(request.positions, torch::kLong);
  out.input = rows.features.index_select(0, index);
  out.target = rows.labels.index_select(0, index);
  return out;
}

}  // namespace quantbench
