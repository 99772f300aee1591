#include "bench/model_file.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "models/model.h"
#include "models/operations.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = uint64_t{1} << 26;
constexpr size_t kDigits = 12;

// The descriptions of registered models that came from files.
std::map<std::string, std::string>& descriptions() {
  static std::map<std::string, std::string> all;
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

// "NAME:DIGITS" of such a model; "" of any other name.
std::string digits_of(const std::string& model) {
  const size_t colon = model.find(':');
  if (colon == std::string::npos || model.size() != colon + 1 + kDigits) return "";
  const std::string digits = model.substr(colon + 1);
  return digits.find_first_not_of("0123456789abcdef") == std::string::npos ? digits : "";
}

fs::path kept_file(const std::string& digits, const fs::path& store) {
  return (store.has_parent_path() ? store.parent_path() : fs::path(".")) / "models" /
         (digits + ".json");
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
  const std::string name = graph.name + ":" + sha256(description).substr(0, kDigits);
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
  descriptions()[name] = description;
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
  const auto found = descriptions().find(model);
  if (found == descriptions().end()) return;
  const fs::path kept = kept_file(digits_of(model), store);
  if (fs::exists(kept)) return;
  fs::create_directories(kept.parent_path());
  write_atomically(kept, found->second);
}

void find_model(const std::string& model, const fs::path& store) {
  const std::string digits = digits_of(model);
  if (digits.empty() || is_registered(model)) return;
  const fs::path kept = kept_file(digits, store);
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
