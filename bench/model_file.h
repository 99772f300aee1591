// Networks given as files: a graph's JSON (models/graph.h), as `--model net.json`. Such a model is
// known by its name and the digest of its description (kept_files.h); its copy lies in models/
// beside the store.
#pragma once

#include <filesystem>
#include <string>

#include "bench/recipe.h"

namespace quantbench {

// Replaces files (what ends in ".json") among the models of a recipe by the models that they
// describe, which are registered. Throws Error on a file that is no valid graph.
void name_models(RecipeText& text);

// Keeps the description of a model that came from a file in models/ beside the store.
void keep_model(const std::string& model, const std::filesystem::path& store);

// Sees to it that `model` is registered where it has the name of one from a file: reads models/
// beside the store. Other names are left alone. Throws Error when its file is not there or is
// another's.
void find_model(const std::string& model, const std::filesystem::path& store);

}  // namespace quantbench
