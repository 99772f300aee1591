#include "bench/model_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "bench/kept_files.h"
#include "models/model.h"
#include "models/operations.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = uint64_t{1} << 26;

// The descriptions of registered models that came from files.
KeptFiles& descriptions() {
  static KeptFiles all("models", ".json");
  return all;
}

bool is_registered(const std::string& model) {
  const auto names = models().names();
  return std::find(names.begin(), names.end(), model) != names.end();
}

bool is_plain(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
             std::string::npos;
}

bool runs_on_graphs(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Node& node) { return passes_messages(node.operation); });
}

std::string sizes(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// Registers the graph in `path`, once, and returns its name.
std::string register_file(const fs::path& path) {
  const Graph graph =
      graph_from_json(parse_json(read_file(path, kMostBytes), "The model file " + path.string()));
  require(is_plain(graph.name),
          "{}: the network's name '{}' is not made of letters, digits, '_' and '-'.", path.string(),
          graph.name);
  const std::string description = graph_to_json(graph).dump();
  const std::string name = name_with_digest(graph.name, description);
  if (is_registered(name)) return name;
  ModelEntry entry;
  entry.name = name;
  entry.help = "from a file";
  entry.graphs = runs_on_graphs(graph);
  entry.rows = !entry.graphs && graph.input_shape.size() == 1;
  entry.build = [graph](const ModelInput& input, const OptionValues&) {
    require(graph.input_shape == input.shape && graph.class_count == input.class_count,
            "The network {} takes {} and tells {} classes apart; the data is {} of {} classes.",
            graph.name, sizes(graph.input_shape), graph.class_count, sizes(input.shape),
            input.class_count);
    return graph;
  };
  models().add(name, entry);
  descriptions().add(name, description);
  return name;
}

}  // namespace

void name_models(RecipeText& text) {
  const auto found = text.find("model");
  if (found == text.end()) return;
  for (std::string& model : found->second) {
    const bool is_file = model.size() > 5 && model.substr(model.size() - 5) == ".json";
    if (is_file) model = register_file(model);
  }
}

void keep_model(const std::string& model, const fs::path& store) {
  descriptions().keep(model, store);
}

void find_model(const std::string& model, const fs::path& store) {
  if (digest_digits(model).empty() || is_registered(model)) return;
  const fs::path kept = descriptions().place(model, store);
  require(
      fs::exists(kept),
      "The network {} came from a file that is not here; give it with --model=FILE.json, or put "
      "it at {}.",
      model, kept.string());
  const std::string name = register_file(kept);
  require(name == model, "{} describes the network {}, and {} is wanted.", kept.string(), name,
          model);
}

}  // namespace quantbench
