#include "bench/data_source.h"

#include <algorithm>

#include "bench/provenance.h"

namespace quantbench {

std::unique_ptr<Dataset> open_dataset(const Recipe& recipe, const std::filesystem::path& root) {
  const int64_t asked = recipe.values.integer("loader.threads");
  const int threads =
      asked >= 0 ? std::max(1, static_cast<int>(asked)) : std::clamp(usable_cpus(), 1, 32);
  return datasets().get(recipe.dataset).open({root, recipe.dataset_options, recipe.seed, threads});
}

int loader_threads(const Recipe& recipe, const Dataset& dataset) {
  const auto asked = static_cast<int>(recipe.values.integer("loader.threads"));
  if (dataset.is_parallel()) return asked == 0 ? 0 : 1;
  return asked >= 0 ? asked : std::clamp(usable_cpus() / 4, 1, 8);
}

}  // namespace quantbench
