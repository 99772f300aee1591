// A stand-in for jets by their high-level features, made from a formula: 5 classes, each a mixture
// of Gaussians in a hidden space, seen through 16 features that are linear, squared, bounded or
// heavy-tailed in it. The classes overlap, so that, as with jets, about three in four can be told
// and the last points of accuracy need precise weights.
#include <cmath>

#include "datasets/table.h"

namespace quantbench {
namespace {

constexpr int64_t kClasses = 5, kFeatures = 16, kHidden = 8, kComponents = 3;

// The world from which samples are drawn.
struct World {
  double centre[kClasses][kComponents][kHidden];
  double mixing[kFeatures][kHidden];

  World(double separation, const RandomStream& random) {
    uint64_t counter = 0;
    for (auto& of_class : centre)
      for (auto& component : of_class)
        for (double& x : component) x = separation * random.normal(counter++);
    for (auto& row : mixing)
      for (double& x : row) x = random.normal(counter++) / std::sqrt(double{kHidden});
  }
};

void draw_sample(const World& world, int64_t label, const RandomStream& random, float* out) {
  uint64_t counter = 0;
  const uint64_t component = random.below(counter++, kComponents);
  double hidden[kHidden];
  for (int64_t i = 0; i < kHidden; ++i)
    hidden[i] = world.centre[label][component][i] + random.normal(counter++);
  for (int64_t feature = 0; feature < kFeatures; ++feature) {
    double u = 0.2 * random.normal(counter++);
    for (int64_t i = 0; i < kHidden; ++i) u += world.mixing[feature][i] * hidden[i];
    switch (feature % 4) {
      case 1:
        u = std::exp(0.6 * u);
        break;
      case 2:
        u = std::tanh(u) + 0.1 * random.normal(counter++);
        break;
      case 3:
        u *= std::abs(u);
        break;
    }
    out[feature] = static_cast<float>(u);
  }
}

Table make_table(const World& world, int64_t count, const RandomStream& random) {
  Table out{torch::empty({count, kFeatures}), torch::empty({count}, torch::kLong), {}};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = i % kClasses;
    draw_sample(world, label, random.child(static_cast<uint64_t>(i)),
                out.features.data_ptr<float>() + i * kFeatures);
    out.labels.data_ptr<int64_t>()[i] = label;
    out.ids.push_back(i);
  }
  return out;
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const OptionValues& options = config.options;
  const RandomStream random(static_cast<uint64_t>(options.integer("data_seed")), "synthetic");
  const World world(options.real("separation"), random.child(0));
  std::array<Table, 3> tables{make_table(world, options.integer("train"), random.child(1)),
                              make_table(world, options.integer("validation"), random.child(2)),
                              make_table(world, options.integer("test"), random.child(3))};
  const Table by = tables[0];
  standardise(by, {&tables[0], &tables[1], &tables[2]});
  return std::make_unique<TableDataset>(
      std::move(tables), kClasses, synthetic_fingerprint("synthetic_jets", 1, options),
      "mean 0 and deviation 1 of each feature over the training samples");
}

DatasetEntry entry() {
  DatasetEntry made;
  made.name = "synthetic_jets";
  made.help = "16 features, 5 overlapping classes, made on the spot: a stand-in for jet_hlf";
  made.options = {
      Option::integer("train", 50000, 1, 10000000, "training samples"),
      Option::integer("validation", 10000, 0, 10000000, "validation samples"),
      Option::integer("test", 10000, 1, 10000000, "test samples"),
      Option::real("separation", 1.15, 0, 100, "deviation of the classes' centres in hidden space"),
      Option::integer("data_seed", 0, 0, int64_t{1} << 31, "seed of the samples")};
  made.rows = true;
  made.open = open;
  return made;
}

}  // namespace

QUANTBENCH_DATASET(entry());

}  // namespace quantbench
