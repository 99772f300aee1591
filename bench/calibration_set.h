// Which training samples a method may calibrate on: some drawn by the run's seed, or those that a
// list names. A list is a text file of sample names, one a line ("train/n01440764/x.JPEG"; of data
// that is no files "train 17"). It is known by its name and the digest of its rows
// (kept_files.h); its copy lies in calibration/ beside the store.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bench/recipe.h"
#include "datasets/dataset.h"

namespace quantbench {

// Replaces the file that the key calibration.list names by what it is known by. Throws Error when
// it is not there, names nothing or names something twice.
void name_calibration_list(RecipeText& text);

// Keeps the recipe's list, where it has one, in calibration/ beside the store.
void keep_calibration_list(const Recipe& recipe, const std::filesystem::path& store);

// The rows of the recipe's list; none where samples are drawn. Throws Error when its copy beside
// the store is missing or is another's.
std::vector<std::string> calibration_list(const Recipe& recipe, const std::filesystem::path& store);

// Positions in the training split: those of `list` in its order, or, where it is empty,
// calibration.samples of them drawn by the seed. Throws Error when a name is no training sample's.
std::vector<int64_t> calibration_positions(const Recipe& recipe, const Dataset& dataset,
                                           const std::vector<std::string>& list);

// The names of those samples, one a line: a list in turn.
std::string calibration_rows(const Dataset& dataset, const std::vector<int64_t>& positions);

}  // namespace quantbench
