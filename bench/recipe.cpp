#include "bench/recipe.h"

#include <fmt/ranges.h>

#include <boost/program_options.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/nearest.h"
#include "bench/onnx_files.h"
#include "bench/plugin.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "models/model.h"

namespace quantbench {
namespace {

namespace po = boost::program_options;

void add_training(std::vector<Option>& out, const std::string& stage, const std::string& what) {
  auto key = [&](const char* name) { return stage + "." + name; };
  out.push_back(Option::integer(key("epochs"), 0, 0, 1000000, "epochs of " + what));
  out.push_back(Option::choice(key("optimizer"), "sgd", {"sgd", "adam"}, "optimizer of " + what));
  out.push_back(Option::real(key("lr"), 0.1, 0, 1e4, "learning rate"));
  out.push_back(Option::real(key("momentum"), 0.9, 0, 0.9999, "momentum (sgd)"));
  out.push_back(Option::flag(key("nesterov"), false, "Nesterov momentum (sgd)"));
  out.push_back(Option::real(key("weight_decay"), 1e-4, 0, 10, "L2 weight decay"));
  out.push_back(
      Option::choice(key("schedule"), "cosine", {"constant", "step", "cosine"}, "rate schedule"));
  out.push_back(
      Option::text(key("milestones"), "", "step: epochs where the rate drops, by commas"));
  out.push_back(Option::real(key("gamma"), 0.1, 0, 1, "step: factor at each milestone"));
  out.push_back(Option::real(key("warmup"), 0, 0, 10000, "epochs of linear warm-up"));
  out.push_back(Option::real(key("clip_grad_norm"), 0, 0, 1e9, "largest gradient norm; 0: off"));
  out.push_back(Option::real(key("ema"), 0, 0, 0.999999,
                             "decay of an average of the weights that replaces them; 0: off"));
  out.push_back(Option::choice(key("select"), "last", {"last", "best", "best_loss"},
                               "which epoch's weights go on: the last, or the best on validation "
                               "by accuracy or by loss"));
}

std::vector<Option> make_options() {
  std::vector<Option> out;
  out.push_back(Option::text("name", "", "what people call it; no part of a run's identity"));
  out.push_back(Option::text("method", "fp32", "quantization method (list methods)"));
  out.push_back(Option::text("model", "resnet20",
                             "network (list models), or a graph's JSON file (net.json)"));
  out.push_back(Option::text("dataset", "cifar10", "dataset (list datasets)"));
  for (const char* kind : {"method", "dataset", "model"})
    out.push_back(
        Option::text(fmt::format("{}.plugin", kind), "",
                     fmt::format("the plug-in of the {}: name, version and SHA-256; filled "
                                 "in by the program",
                                 kind)));
  out.push_back(Option::integer("seed", 1, 0, int64_t{1} << 53, "seed of every random stream"));
  out.push_back(Option::integer("batch", 128, 1, 65536, "training batch size"));
  out.push_back(Option::integer("batch.parts", 1, 1, 65536,
                                "parts in which each training batch is computed, their gradients "
                                "added: less memory; BatchNorm sees the parts"));
  out.push_back(
      Option::integer("batch.processes", 1, 1, 4096,
                      "processes that share each training batch; filled in where torchrun "
                      "starts several"));
  out.push_back(Option::flag("augment", true, "the dataset's standard training augmentation"));
  out.push_back(Option::choice("precision", "fp32", {"fp32", "bf16"},
                               "compute type of convolutions and matrix products in training"));
  out.push_back(Option::text(
      "fp32.weights", "",
      "FP32 weights to start from: a weight file (a relative path is looked up in the data root), "
      "a run's package of floats or its checkpoint, or the number of a run of method fp32"));
  add_training(out, "fp32", "FP32 training, before the method");
  add_training(out, "train", "the method's own training");
  out.push_back(Option::integer("calibration.samples", 512, 1, 1000000,
                                "training samples, without augmentation, that the method may see"));
  out.push_back(Option::text("calibration.list", "",
                             "file with the names of those samples, one a line (a run writes its "
                             "own as calibration.txt), instead of drawing them by the seed"));
  out.push_back(Option::integer("evaluation.batch", 250, 1, 65536, "batch size of evaluation"));
  out.push_back(Option::integer("loader.threads", -1, -1, 64,
                                "threads that make batches ahead, 0: none; no part of a run's "
                                "identity (-1: a quarter of the CPUs, 1 to 8)"));
  out.push_back(Option::integer("evaluation.samples", 0, 0, 100000000,
                                "test samples (the first ones); 0: all"));
  out.push_back(Option::integer("evaluation.oracle", 256, 0, 100000000,
                                "test samples, drawn by the seed, on which the engine is held to "
                                "the reference executor; 0: all"));
  out.push_back(Option::text("convert", "",
                             "ONNX files to write beside the package: onnx-qdq, onnx-fp32, qonnx, "
                             "with commas between; no part of a run's identity"));
  out.push_back(Option::flag("latency", true, "time the networks when the run is done"));
  out.push_back(Option::integer("latency.batch", 1, 1, 65536, "batch size of the timing"));
  return out;
}

std::vector<double> numbers(const std::string& text, const std::string& key) {
  std::vector<double> out;
  std::stringstream in(text);
  for (std::string item; std::getline(in, item, ',');) {
    char* end = nullptr;
    const double value = std::strtod(item.c_str(), &end);
    while (end && *end == ' ') ++end;
    require(end != item.c_str() && *end == '\0' && value >= 0,
            "Recipe key {}: '{}' is not a list of numbers with commas between.", key, text);
    out.push_back(value);
  }
  return out;
}

template <typename Entry>
bool contains(const Registry<Entry>& registry, const std::string& name) {
  const auto names = registry.names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

// One point of a sweep: every key with one value.
using Keys = std::map<std::string, std::string>;

std::vector<Keys> cross_product(const RecipeText& text) {
  constexpr size_t kMostPoints = 10'000, kMostBytes = size_t{1} << 27;
  std::vector<Keys> points{{}};
  size_t bytes = 0;  // of one point
  for (const auto& [key, values] : text) {
    std::vector<Keys> next;
    size_t longest = 0;
    for (const std::string& value : values) longest = std::max(longest, value.size());
    bytes += key.size() + longest + 100;
    require(values.size() <= kMostPoints / points.size(), "The sweep has more than {} points.",
            kMostPoints);
    require(points.size() * values.size() <= kMostBytes / bytes,
            "The sweep has {} points that are too long; shorten it at the key {}.",
            points.size() * values.size(), key.substr(0, 60));
    for (const Keys& point : points)
      for (const std::string& value : values) {
        next.push_back(point);
        next.back()[key] = value;
      }
    points = std::move(next);
  }
  return points;
}

// A part from a plug-in is that one to the byte: the recipe says which, and one that already does
// takes no other.
template <typename Entry>
void fill_in_plugin(Keys& core, const std::string& kind, const Registry<Entry>& registry) {
  const auto part = core.find(kind);
  if (part == core.end()) return;
  const std::string& wanted = core[kind + ".plugin"];
  require(wanted.empty() || contains(registry, part->second),
          "The recipe needs the plug-in {} (name, version, SHA-256); give it with --plugin=FILE.",
          wanted);
  const std::string loaded = plugin_of(kind, part->second);
  require(wanted.empty() || wanted == loaded,
          "The recipe needs the plug-in {} (name, version, SHA-256), and {} is loaded.", wanted,
          loaded.empty() ? "none" : loaded);
  core[kind + ".plugin"] = loaded;
}

void fill_in_plugins(Keys& core) {
  fill_in_plugin(core, "method", methods());
  fill_in_plugin(core, "dataset", datasets());
  fill_in_plugin(core, "model", models());
}

Recipe bind_point(const Keys& point, const std::set<std::string>& parts) {
  Keys core;
  std::map<std::string, Keys> sections;
  std::set<std::string> known;
  for (const Option& option : recipe_options()) known.insert(option.name);
  for (const auto& [key, value] : point) {
    const auto dot = key.find('.');
    if (known.count(key) || dot == std::string::npos)
      core[key] = value;
    else
      sections[key.substr(0, dot)][key.substr(dot + 1)] = value;
  }

  fill_in_plugins(core);
  Recipe recipe;
  recipe.values = OptionValues("The recipe", recipe_options(), core);
  recipe.method = recipe.values.text("method");
  recipe.model = recipe.values.text("model");
  recipe.dataset = recipe.values.text("dataset");
  recipe.seed = static_cast<uint64_t>(recipe.values.integer("seed"));
  auto bound = [&](const std::string& kind, const std::string& name, std::vector<Option> options) {
    return OptionValues(kind + " " + name, std::move(options), sections[name]);
  };
  recipe.method_options = bound("Method", recipe.method, methods().get(recipe.method).card.options);
  recipe.model_options = bound("Model", recipe.model, models().get(recipe.model).options);
  recipe.dataset_options = bound("Dataset", recipe.dataset, datasets().get(recipe.dataset).options);
  for (const auto& [section, keys] : sections)
    require(
        keys.empty() || parts.count(section),
        "The recipe has a key '{}.{}', but there is no method, model or dataset named '{}', and "
        "'quantbench list keys' has no such key.",
        section, keys.begin()->first, section);
  for (const char* stage : {"fp32", "train"}) training_budget(recipe, stage);
  onnx_kinds(recipe.values.text("convert"));
  return recipe;
}

}  // namespace

const std::vector<Option>& recipe_options() {
  static const std::vector<Option> options = make_options();
  return options;
}

std::string Recipe::canonical() const {
  std::map<std::string, std::string> all = values.canonical();
  all.erase("name");
  all.erase("loader.threads");
  all.erase("convert");
  for (const char* kind : {"method.plugin", "dataset.plugin", "model.plugin"})
    if (all[kind].empty()) all.erase(kind);
  if (all["calibration.list"].empty()) all.erase("calibration.list");
  for (const char* key : {"batch.parts", "batch.processes"})
    if (all[key] == "1") all.erase(key);
  for (const auto& [section, options] :
       {std::pair{method, &method_options}, std::pair{model, &model_options},
        std::pair{dataset, &dataset_options}})
    for (const auto& [key, value] : options->canonical()) all[section + "." + key] = value;
  std::string out;
  for (const auto& [key, value] : all) out += key + " = " + value + "\n";
  return out;
}

std::string Recipe::text() const {
  const std::string& files = values.text("convert");
  return files.empty() ? canonical() : canonical() + "convert = " + files + "\n";
}

RecipeText read_recipe(std::istream& in, const std::string& what) {
  RecipeText text;
  try {
    const po::options_description nothing;
    for (const auto& option :
         po::parse_config_file(in, nothing, /*allow_unregistered=*/true).options)
      for (const std::string& value : option.value) text[option.string_key].push_back(value);
  } catch (const po::error& problem) {
    fail("{} is not a recipe: {}.", what, problem.what());
  }
  return text;
}

RecipeText merge(RecipeText base, const RecipeText& over) {
  for (const auto& [key, values] : over) base[key] = values;
  return base;
}

std::vector<Recipe> expand(const RecipeText& text) {
  // A recipe may carry sections of parts that this sweep does not use: they wait for
  // --method=other.
  const OptionValues defaults("The recipe", recipe_options());
  std::set<std::string> parts;
  for (const auto& names : {methods().names(), models().names(), datasets().names()})
    parts.insert(names.begin(), names.end());
  std::vector<Recipe> out;
  std::set<std::string> seen;
  for (const Keys& full : cross_product(text)) {
    // A section of a part that this point does not use drops out; what is left may occur twice.
    Keys point;
    for (const auto& [key, value] : full) {
      const std::string section = key.substr(0, key.find('.'));
      auto chosen = [&](const char* part) {
        auto found = full.find(part);
        return (found == full.end() ? defaults.text(part) : found->second) == section;
      };
      const bool of_another_part = parts.count(section) && key.find('.') != std::string::npos &&
                                   section != "fp32" && !chosen("method") && !chosen("model") &&
                                   !chosen("dataset");
      if (!of_another_part) point[key] = value;
    }
    Recipe recipe = bind_point(point, parts);
    if (seen.insert(recipe.canonical()).second) out.push_back(std::move(recipe));
  }
  return out;
}

void require_used(const RecipeText& given, const std::vector<Recipe>& recipes) {
  std::set<std::string> used, keys;
  for (const Option& option : recipe_options()) keys.insert(option.name);
  for (const Recipe& recipe : recipes)
    for (const auto& [section, options] : {std::pair{recipe.method, &recipe.method_options},
                                           std::pair{recipe.model, &recipe.model_options},
                                           std::pair{recipe.dataset, &recipe.dataset_options}})
      for (const auto& [key, value] : options->canonical()) used.insert(section + "." + key);
  for (const auto& [key, values] : given) {
    if (keys.count(key) || used.count(key)) continue;
    const std::string own = key.substr(key.find('.') + 1);
    std::string offer;
    for (const std::string& other : used)
      if (offer.empty() && other.substr(other.find('.') + 1) == own)
        offer = "; did you mean --" + other + "?";
    fail(
        "--{} is used by none of the recipe's runs: {} is neither their method, model nor "
        "dataset{}",
        key, key.substr(0, key.find('.')), offer.empty() ? "." : offer);
  }
}

RecipeText load_recipe(const std::string& name_or_path) {
  const auto& known = embedded_recipes();
  if (auto found = known.find(name_or_path); found != known.end()) {
    std::istringstream in(found->second);
    return read_recipe(in, "The embedded recipe " + name_or_path);
  }
  constexpr uintmax_t kLongestRecipe = uintmax_t{1} << 20;
  std::error_code code;
  const uintmax_t size = std::filesystem::file_size(name_or_path, code);
  require(code || size <= kLongestRecipe, "The recipe {} has {} bytes; at most {} are read.",
          name_or_path, size, kLongestRecipe);
  std::ifstream in(name_or_path);
  std::vector<std::string> names;
  for (const auto& [name, text] : known) names.push_back(name);
  const std::string offer = did_you_mean(name_or_path, names);
  require(in.good() && !std::filesystem::is_directory(name_or_path),
          "There is no recipe file {}, and no recipe of that name is built in{}", name_or_path,
          offer.empty() ? fmt::format("; built in are: {}.", fmt::join(names, ", ")) : offer);
  return read_recipe(in, name_or_path);
}

TrainingBudget training_budget(const Recipe& recipe, const std::string& stage) {
  const OptionValues& v = recipe.values;
  auto key = [&](const char* name) { return stage + "." + name; };
  TrainingBudget budget;
  budget.epochs = v.integer(key("epochs"));
  OptimizerConfig& o = budget.optimizer;
  o.kind =
      v.text(key("optimizer")) == "adam" ? OptimizerConfig::Kind::Adam : OptimizerConfig::Kind::Sgd;
  o.lr = v.real(key("lr"));
  o.momentum = v.real(key("momentum"));
  o.nesterov = v.flag(key("nesterov"));
  o.weight_decay = v.real(key("weight_decay"));
  Schedule& s = budget.schedule;
  const std::string& kind = v.text(key("schedule"));
  s.kind = kind == "step"     ? Schedule::Kind::Step
           : kind == "cosine" ? Schedule::Kind::Cosine
                              : Schedule::Kind::Constant;
  s.milestones = numbers(v.text(key("milestones")), key("milestones"));
  s.gamma = v.real(key("gamma"));
  s.warmup_epochs = v.real(key("warmup"));
  s.total_epochs = static_cast<double>(budget.epochs);
  budget.clip_grad_norm = v.real(key("clip_grad_norm"));
  return budget;
}

}  // namespace quantbench
