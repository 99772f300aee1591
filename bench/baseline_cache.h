// FP32 networks that were trained here before. A sweep trains its FP32 network once: what comes out
// of that stage is kept in a file named by the SHA-256 of all that determines it, and every later
// run that would train the same network takes it from there, bit for bit what it would have got.
//
// Several processes may share the folder. Who trains a network holds a lock that the kernel lets go
// of whatever kills the process; others that want the same one wait and then read it. A file is
// published whole by a rename and believed only when its key and the digest of its tensors agree,
// so a writer that was killed, or a file that was cut, leaves nothing that is taken for a network.
// Files may be removed at any time.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/recipe.h"
#include "bench/saved_state.h"
#include "datasets/dataset.h"
#include "models/graph.h"
#include "results/store.h"

namespace quantbench {

struct Baseline {
  NamedTensors network;          // by PyTorch name, so that any reader of weight files takes it
  nlohmann::json facts;          // what the run knew after the stage: validation_top1
  std::vector<EpochRow> epochs;  // the curve; their seconds are those of the run that trained
  std::string run;               // uid of that run
};

// All that determines the FP32 network of `recipe`, as text: the graph, the data, the keys of the
// stage, the seed, the starting weights (their SHA-256, "" without), the program and its library to
// the byte, LibTorch, BLAS, processor, threads and device.
std::string baseline_key(const Recipe& recipe, const Dataset& dataset, const Graph& graph,
                         const std::string& pretrained, const std::string& device);

// An epoch as the cache and checkpoints keep it.
nlohmann::json epoch_json(const EpochRow& row);
EpochRow epoch_of(const nlohmann::json& json);

class BaselineCache {
 public:
  // Waits until no other process works at this key; `wait` is called once, when that is needed.
  // Throws Interrupted when a stop was asked for meanwhile, and Error when the folder cannot be
  // written.
  BaselineCache(std::filesystem::path folder, std::string key,
                const std::function<void(const std::string& line)>& wait);
  ~BaselineCache();
  BaselineCache(const BaselineCache&) = delete;
  BaselineCache& operator=(const BaselineCache&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // What is kept under the key; nothing when there is no such file or it is not to be believed.
  std::optional<Baseline> find() const;
  void publish(const Baseline& baseline) const;

 private:
  std::string key_;
  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace quantbench
