#include "models/model.h"

#include "base/error.h"

namespace quantbench {

Registry<ModelEntry>& models() {
  static Registry<ModelEntry> registry("model");
  return registry;
}

Graph build_model(const std::string& name, const ModelInput& input,
                  const std::map<std::string, std::string>& options) {
  const ModelEntry& entry = models().get(name);
  const size_t dimensions = input.shape.size();
  require(dimensions == (entry.graphs ? 1 : 3) || (entry.rows && dimensions == 1),
          "The model {} runs on {}, which this dataset does not have.", name,
          entry.graphs ? "graphs" : "images");
  return entry.build(input, OptionValues("model " + name, entry.options, options));
}

}  // namespace quantbench
