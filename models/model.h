// The zoo's registry: a model is a function from its options to a Graph.
//
// Adding one: a .cpp in models/zoo/ that ends in QUANTBENCH_MODEL(...) and a line in
// CMakeLists.txt.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/registry.h"
#include "models/graph.h"

namespace quantbench {

// What the data imposes on a model.
struct ModelInput {
  std::vector<int64_t> shape;  // without the batch dimension
  int64_t class_count = 0;
};

struct ModelEntry {
  std::string name, help, paper;
  bool graphs = false;  // runs on graph data
  std::vector<Option> options;
  std::function<Graph(const ModelInput&, const OptionValues&)> build;
  bool rows = false;  // takes rows of features, too, and flattens images
};

Registry<ModelEntry>& models();

// Builds a registered model. Throws Error when the data's shape does not suit it.
Graph build_model(const std::string& name, const ModelInput& input,
                  const std::map<std::string, std::string>& options = {});

#define QUANTBENCH_MODEL(id, entry)                         \
  static const bool quantbench_model_registered_##id = [] { \
    ::quantbench::ModelEntry made = entry;                  \
    return ::quantbench::models().add(made.name, made);     \
  }()

}  // namespace quantbench
