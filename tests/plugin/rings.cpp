// An example of a dataset built out of tree: points on two rings in the plane, made on the spot.
#include <cmath>

#include "datasets/table.h"

namespace {

using namespace quantbench;

Table make_rings(int64_t rows, double noise, const RandomStream& random) {
  Table out{torch::empty({rows, 2}), torch::empty({rows}, torch::kLong), {}};
  for (int64_t i = 0; i < rows; ++i) {
    const auto draw = static_cast<uint64_t>(4 * i);
    const int64_t ring = i % 2;
    const double angle = 2 * M_PI * random.uniform(draw),
                 radius =
                     1.0 + static_cast<double>(ring) + noise * (random.uniform(draw + 1) - 0.5);
    out.features[i][0] = radius * std::cos(angle);
    out.features[i][1] = radius * std::sin(angle);
    out.labels[i] = ring;
    out.ids.push_back(i);
  }
  return out;
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const double noise = config.options.real("noise");
  std::array<Table, 3> tables{make_rings(2000, noise, RandomStream(1, "train")),
                              make_rings(400, noise, RandomStream(1, "validation")),
                              make_rings(1000, noise, RandomStream(1, "test"))};
  return std::make_unique<TableDataset>(
      std::move(tables), 2, synthetic_fingerprint("rings_example", 1, config.options), "none");
}

DatasetEntry entry() {
  DatasetEntry made;
  made.name = "rings_example";
  made.help = "two rings in the plane, the example of a dataset out of tree";
  made.options = {Option::real("noise", 0.5, 0, 2, "width of the rings, which are 1 apart")};
  made.open = open;
  made.rows = true;
  return made;
}

QUANTBENCH_DATASET(entry());

}  // namespace
