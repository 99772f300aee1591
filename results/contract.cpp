#include "results/contract.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/sha256.h"

namespace quantbench {
namespace {

// Calls `line` with every (key, value) of a canonical recipe.
template <typename Line>
void each_line(const std::string& recipe, Line line) {
  for (size_t first = 0; first < recipe.size();) {
    const size_t end = std::min(recipe.find('\n', first), recipe.size());
    const std::string text = recipe.substr(first, end - first);
    const size_t equals = text.find(" = ");
    if (equals != std::string::npos) line(text.substr(0, equals), text.substr(equals + 3));
    first = end + 1;
  }
}

bool begins_with(const std::string& text, const std::string& with) {
  return text.compare(0, with.size(), with) == 0;
}

std::string lines_of(const std::string& recipe, const std::string& prefix) {
  std::string out;
  each_line(recipe, [&](const std::string& key, const std::string& value) {
    if (begins_with(key, prefix)) out += key + "=" + value + "\n";
  });
  return out;
}

std::string data_of_training(const std::string& recipe) {
  std::string out = "batch " + recipe_value(recipe, "batch");
  const std::string parts = recipe_value(recipe, "batch.parts");
  if (!parts.empty() && parts != "1") out += " in " + parts + " parts";
  const std::string processes = recipe_value(recipe, "batch.processes");
  if (!processes.empty() && processes != "1") out += " by " + processes + " processes";
  if (recipe_value(recipe, "augment") == "yes") out += ", augmented";
  if (recipe_value(recipe, "precision") == "bf16") out += ", bf16";
  return out;
}

std::string baseline_of(const std::string& recipe) {
  const std::string weights = recipe_value(recipe, "fp32.weights");
  const std::string epochs = recipe_value(recipe, "fp32.epochs");
  const bool trained = !epochs.empty() && epochs != "0";
  std::string out = weights.empty() ? "" : "weights " + weights;
  if (trained) {
    const std::string rest = lines_of(recipe, "fp32.") + data_of_training(recipe);
    out += fmt::format("{}{} epochs ({:.8})", out.empty() ? "" : " + ", epochs, sha256(rest));
  }
  return out.empty() ? "untrained" : out;
}

std::string names_of(const std::vector<std::string>& names, size_t all) {
  if (names.empty()) return "none";
  return names.size() == all ? "all" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::map<std::string, std::string> recipe_lines(const std::string& recipe) {
  std::map<std::string, std::string> out;
  each_line(recipe, [&](const std::string& key, const std::string& value) { out[key] = value; });
  return out;
}

std::string recipe_value(const std::string& recipe, const std::string& key) {
  const std::string start = key + " = ";
  for (size_t at = recipe.find(start); at != std::string::npos; at = recipe.find(start, at + 1)) {
    if (at > 0 && recipe[at - 1] != '\n') continue;
    const size_t first = at + start.size();
    return recipe.substr(first, std::min(recipe.find('\n', first), recipe.size()) - first);
  }
  return "";
}

std::string short_plugin(const std::string& recipe) {
  const std::string plugin = recipe_value(recipe, "method.plugin");
  const size_t digest = plugin.rfind(' ');
  return digest == std::string::npos ? "" : plugin.substr(digest + 1, 8);
}

std::string without_seed(const std::string& recipe) {
  std::string out;
  each_line(recipe, [&](const std::string& key, const std::string& value) {
    if (key != "seed" && key != "convert") out += key + " = " + value + "\n";
  });
  return out;
}

std::string settings_of(const std::string& recipe, const std::string& method) {
  constexpr size_t kLongest = 64;  // what is longer, the bits of every site, is told by its digest
  std::string out;
  each_line(recipe, [&](const std::string& key, const std::string& value) {
    if (!begins_with(key, method + ".") || begins_with(key, "fp32.")) return;
    out += (out.empty() ? "" : " ") + key.substr(method.size() + 1) + "=" +
           (value.size() <= kLongest ? value : fmt::format("sha256:{:.12}", sha256(value)));
  });
  const std::string plugin = short_plugin(recipe);
  if (!plugin.empty()) out += (out.empty() ? "plugin=" : " plugin=") + plugin;
  return out;
}

Contract contract_of(const RunRecord& run, const RunResult& result,
                     const std::vector<SiteRow>& sites, int64_t method_epochs) {
  std::vector<std::string> in_float, at_eight;
  size_t weights = 0;
  for (const SiteRow& site : sites) {
    if (site.kind != "weight") continue;
    ++weights;
    if (site.encoding == "float")
      in_float.push_back(site.name);
    else if (site.bits >= 8)
      at_eight.push_back(site.name);
  }
  Contract out;
  out.baseline = baseline_of(run.recipe);
  out.float_layers = names_of(in_float, weights);
  // In a network of 8 bits throughout no layer is an exception.
  const bool throughout = at_eight.size() + in_float.size() == weights;
  out.eight_bit_layers = throughout ? "none" : names_of(at_eight, weights);
  out.activation_bits = result.activation_bits_average
                            ? fmt::format("{:.1f}", *result.activation_bits_average)
                            : "unknown";
  out.calibration_hash = sha256(lines_of(run.recipe, "calibration."));
  out.preprocessing_hash = sha256(run.preprocessing);
  out.training_budget = method_epochs == 0 ? "none"
                                           : fmt::format("{} epochs, {}", method_epochs,
                                                         data_of_training(run.recipe));
  return out;
}

std::vector<std::string> differences(const Contract& a, const Contract& b) {
  std::vector<std::string> out;
  const auto check = [&](const char* what, const std::string& left, const std::string& right) {
    if (left != right) out.push_back(fmt::format("{} ({} / {})", what, left, right));
  };
  check("FP32 baseline", a.baseline, b.baseline);
  check("layers in float", a.float_layers, b.float_layers);
  check("layers kept at 8 bit", a.eight_bit_layers, b.eight_bit_layers);
  check("activation bits", a.activation_bits, b.activation_bits);
  if (a.calibration_hash != b.calibration_hash)
    check("calibration", a.calibration_hash.substr(0, 8), b.calibration_hash.substr(0, 8));
  if (a.preprocessing_hash != b.preprocessing_hash)
    check("preprocessing", a.preprocessing_hash.substr(0, 8), b.preprocessing_hash.substr(0, 8));
  check("training budget", a.training_budget, b.training_budget);
  return out;
}

}  // namespace quantbench
