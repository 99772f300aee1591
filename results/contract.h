// What must be equal before two runs may be ranked together (the comparability contract): the FP32
// network they started from, the layers kept in float or at 8 bits, the bits of activations, how
// calibration data and images were prepared, and how much was trained. Pure functions of what a
// store holds; described in results/SCHEMA.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "results/store.h"

namespace quantbench {

struct Contract {
  std::string baseline;          // "weights NAME", "4 epochs (1a2b3c4d)", "untrained"
  std::string float_layers;      // weights left in FP32, by commas; "none", "all"
  std::string eight_bit_layers;  // weights kept at 8 bits while others have fewer; "none"
  std::string activation_bits;   // mean over the operands of all products, one decimal
  std::string calibration_hash;  // of the recipe's calibration keys
  std::string preprocessing_hash;
  std::string training_budget;  // of the method: "2 epochs, batch 128, augmented"; "none"
};

// A recipe's text without its seed and the files that it asks for: what the runs of one
// configuration have in common.
std::string without_seed(const std::string& recipe);

// Every key of a canonical recipe with its value.
std::map<std::string, std::string> recipe_lines(const std::string& recipe);

// The value of one key of a canonical recipe, "" when it has none.
std::string recipe_value(const std::string& recipe, const std::string& key);

// Of a method from a plug-in the first eight digits of its SHA-256, "" of a built-in one.
std::string short_plugin(const std::string& recipe);

// A method's own options as its recipe gives them, and its plug-in: "weight_bits=4 rule=lsq".
std::string settings_of(const std::string& recipe, const std::string& method);

// `method_epochs`: how many epochs the method's stages took.
Contract contract_of(const RunRecord& run, const RunResult& result,
                     const std::vector<SiteRow>& sites, int64_t method_epochs);

// What two contracts differ in, a phrase each: "activation bits (8.0 / 4.0)". Empty: comparable.
std::vector<std::string> differences(const Contract& a, const Contract& b);

}  // namespace quantbench
