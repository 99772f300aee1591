// What the key fp32.weights may name, and how it is read: weight files from elsewhere, and what
// runs of this program left.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/torch.h"
#include "bench/recipe.h"

namespace quantbench {

// Replaces a run's number in fp32.weights by "run:UID", which means the same run in every store: a
// number is part of no recipe. A file of that name goes first. Throws Error when the store has no
// such run, or none that is finished and of method fp32.
void name_runs(RecipeText& text, const std::filesystem::path& store);

// The file that a recipe's fp32.weights names: itself, or below the data root, or the package of
// "run:UID"; "" when it names none. Throws Error when it is not there.
std::filesystem::path weight_file(const Recipe& recipe, const std::filesystem::path& data_root,
                                  const std::filesystem::path& store);

// The tensors of any such file by PyTorch name: those of a weight file (models/weight_file.h), the
// network of a checkpoint without what a method put on it, or the parameters of a package. Throws
// Error on a package that is not of floats alone, and on what is none of these.
std::map<std::string, Tensor> read_fp32_weights(const std::filesystem::path& path);

}  // namespace quantbench
