// The dataset of a recipe, and the threads that its samples are made on.
#pragma once

#include <filesystem>
#include <memory>

#include "bench/recipe.h"
#include "datasets/dataset.h"

namespace quantbench {

// Opens a recipe's dataset below `root`. One that is parallel itself gets `loader.threads` threads,
// by default one a usable CPU, at most 32.
std::unique_ptr<Dataset> open_dataset(const Recipe& recipe, const std::filesystem::path& root);

// How many batches a loader of `dataset` makes at a time: one where the dataset is parallel itself,
// else `loader.threads`, by default a quarter of the CPUs, 1 to 8. 0: none ahead.
int loader_threads(const Recipe& recipe, const Dataset& dataset);

}  // namespace quantbench
