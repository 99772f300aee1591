// A recipe: everything that decides a run's numbers, as text. An INI file, or options on the
// command line, or both (the command line wins). A key given several times is a sweep: the cross
// product.
//
// Beside the keys of recipe_options(), a section may be named after a method, model or dataset; its
// keys are that part's own options ("[uniform]", "weight_bits = 4", or --uniform.weight_bits=4).
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <map>
#include <string>
#include <vector>

#include "base/options.h"
#include "methods/training.h"

namespace quantbench {

// key -> its values in the order given; more than one make a sweep.
using RecipeText = std::map<std::string, std::vector<std::string>>;

// The keys of every recipe (sections as prefixes: "train.lr").
const std::vector<Option>& recipe_options();

struct Recipe {
  OptionValues values;  // of recipe_options()
  std::string method, model, dataset;
  uint64_t seed = 0;
  OptionValues method_options, model_options, dataset_options;

  // Every key with its effective value, sorted, a line each: what identity is computed from. Left
  // out are the name, which is for people, and the loader's threads and ONNX files, which change no
  // number.
  std::string canonical() const;
  // The same with the ONNX files, if any: what a run that was stopped goes on by.
  std::string text() const;
};

// Reads an INI file. Throws Error naming the file and line on a syntax error.
RecipeText read_recipe(std::istream& in, const std::string& what);

// `over` replaces, key by key, what `base` says.
RecipeText merge(RecipeText base, const RecipeText& over);

// One Recipe for every point of the sweep. Sections of parts that a point does not use are left out
// of it. Throws Error on an unknown key or section, a value out of range, or a method / model /
// dataset that is not there.
std::vector<Recipe> expand(const RecipeText& text);

// Throws Error when a key of `given` (the command line's) belongs to a part that none of `recipes`
// uses; a file may carry sections for later, but what somebody typed was meant.
void require_used(const RecipeText& given, const std::vector<Recipe>& recipes);

// The recipes that are built into the program: name -> INI text. "default" is the demo: what `run`
// takes when it is given nothing at all.
const std::map<std::string, std::string>& embedded_recipes();

// An embedded recipe's name or a file's path. Throws Error when it is neither.
RecipeText load_recipe(const std::string& name_or_path);

// A stage ("fp32" or "train") of the recipe.
TrainingBudget training_budget(const Recipe& recipe, const std::string& stage);

}  // namespace quantbench
