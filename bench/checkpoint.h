// A checkpoint: everything a run needs to go on as if it had never stopped, in one file that is
// either whole or not there. Random numbers are functions of (seed, purpose, position), so the
// position is all the generator and loader state there is.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "methods/method.h"
#include "models/safetensors.h"

namespace quantbench {

// Where training stands: the next step to take.
struct Position {
  std::string stage;  // "fp32", "train" or "done"
  int phase = 0;
  int64_t epoch = 0, step = 0;
};

struct Checkpoint {
  std::string recipe;  // canonical; a checkpoint of another recipe is refused
  Position position;
  nlohmann::json counters = nlohmann::json::object();  // sums of the running epoch, best epoch ...
  MethodState method;
  std::map<std::string, Tensor> network;  // parameters and buffers, taps included
  std::map<std::string, Tensor> optimizer;
  std::map<std::string, Tensor> average;  // EMA of the weights, if on
  std::map<std::string, Tensor> best;     // the best epoch so far, if selected by validation
  std::map<std::string, std::map<std::string, Tensor>> kept;  // Pareto states by name
};

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
// Throws Error when the file is damaged or was written for another recipe.
Checkpoint read_checkpoint(const std::filesystem::path& path, const std::string& recipe);

// Parameters and buffers of a module by name, detached clones on the CPU.
std::map<std::string, Tensor> snapshot(const torch::nn::Module& module);
// Copies a snapshot back. Throws Error when names or shapes differ.
void restore(torch::nn::Module& module, const std::map<std::string, Tensor>& state);
// SHA-256 over names, shapes and bytes.
std::string hash_of(const std::map<std::string, Tensor>& state);

}  // namespace quantbench
