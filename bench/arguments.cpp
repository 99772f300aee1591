#include "bench/arguments.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <map>

#include "base/error.h"
#include "base/nearest.h"
#include "bench/plugin.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "models/model.h"

namespace quantbench {
namespace {

namespace po = boost::program_options;
using Values = std::vector<std::string>;

void add_program_options(po::options_description& out) {
  for (const Option& option : program_options()) {
    const std::string name = option.name == "help" ? "help,h" : option.name;
    if (option.kind == Option::Kind::Flag)
      out.add_options()(name.c_str(), option.help.c_str());
    else if (option.name == "plugin")
      out.add_options()(name.c_str(), po::value<Values>(), option.help.c_str());
    else
      out.add_options()(name.c_str(), po::value<std::string>(), option.help.c_str());
  }
}

Values recipe_keys() {
  Values out;
  auto add = [&](const std::string& prefix, const std::vector<Option>& options) {
    for (const Option& option : options) out.push_back(prefix + option.name);
  };
  add("", recipe_options());
  for (const std::string& name : methods().names())
    add(name + ".", methods().get(name).card.options);
  for (const std::string& name : models().names()) add(name + ".", models().get(name).options);
  for (const std::string& name : datasets().names()) add(name + ".", datasets().get(name).options);
  return out;
}

void load_plugins(const Values& words, Arguments& out) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string prefix = "--plugin=";
    if (words[i].rfind(prefix, 0) == 0)
      out.plugins.push_back(words[i].substr(prefix.size()));
    else if (words[i] == "--plugin" && i + 1 < words.size())
      out.plugins.push_back(words[i + 1]);
  }
  for (const std::string& path : out.plugins) load_plugin(path);
}

// "--weight_bits" with the name in it, whatever Boost has put around it.
std::string bare(std::string option) {
  option.erase(0, std::min(option.find_first_not_of('-'), option.size()));
  return option.substr(0, option.find('='));
}

// What is given, and only that: text by name, flags as "yes".
struct Given {
  std::map<std::string, std::string> program;
  RecipeText recipe;
  Values operands;
};

Given read_words(const Values& words) {
  const Values keys = recipe_keys();
  po::options_description all;
  add_program_options(all);
  for (const std::string& key : keys) all.add_options()(key.c_str(), po::value<Values>());
  all.add_options()("operand", po::value<Values>());
  po::positional_options_description positional;
  positional.add("operand", -1);
  po::variables_map map;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(all).positional(positional).style(style).run(),
              map);
  } catch (const po::unknown_option& problem) {
    Values known = keys;
    for (const Option& option : program_options()) known.push_back(option.name);
    const std::string name = bare(problem.get_option_name());
    const std::string offer = did_you_mean(name, known, "--");
    fail(
        "There is no option --{}{} 'quantbench --help' lists the options, 'quantbench list keys' "
        "those of recipes.",
        name, offer.empty() ? ";" : offer);
  } catch (const po::error& problem) {
    fail("{}; 'quantbench --help' lists the options, 'quantbench list keys' those of recipes.",
         problem.what());
  }
  Given out;
  for (const auto& [name, value] : map) {
    const bool of_program =
        std::any_of(program_options().begin(), program_options().end(),
                    [&name = name](const Option& option) { return option.name == name; });
    if (name == "operand")
      out.operands = value.as<Values>();
    else if (!of_program)
      out.recipe[name] = value.as<Values>();
    else if (program_option(name).kind == Option::Kind::Flag)
      out.program[name] = "yes";
    else if (name != "plugin")
      out.program[name] = value.as<std::string>();
  }
  return out;
}

// "--method=NAME" for a word that is the name of a part; "" for another.
std::string as_filter(const std::string& word) {
  const std::pair<const char*, Values> parts[] = {
      {"method", methods().names()}, {"model", models().names()}, {"dataset", datasets().names()}};
  for (const auto& [key, names] : parts)
    if (!nearest_name(word, names).empty())
      return did_you_mean(word, names, fmt::format("--{}=", key));
  return "";
}

void check_taken(const Command& command, const Given& given) {
  for (const auto& [name, value] : given.program) {
    if (takes(command, name)) continue;
    Values known = command.options;
    if (!command.formats.empty()) known.push_back("format");
    fail("'quantbench {}' takes no option --{}{} 'quantbench {} --help' lists what it takes.",
         command.name, name,
         nearest_name(name, known).empty() ? ";" : did_you_mean(name, known, "--"), command.name);
  }
  for (const auto& [key, values] : given.recipe) {
    const bool filter = key == "method" || key == "model" || key == "dataset";
    const bool taken =
        command.keys == Command::Keys::Recipe || (command.keys == Command::Keys::Filter && filter);
    require(taken,
            "'quantbench {}' takes no option --{}; 'quantbench {} --help' lists what it takes.",
            command.name, key, command.name);
    require(command.keys == Command::Keys::Recipe || values.size() == 1,
            "'quantbench {}' takes --{} once.", command.name, key);
  }
  if (given.operands.size() > command.most_operands + 1) {
    const std::string& word = given.operands[command.most_operands + 1];
    const std::string offer =
        command.keys == Command::Keys::Filter ? as_filter(word) : std::string();
    fail("'quantbench {}' takes {}, and '{}' is more than that{}", command.name,
         command.operands.empty() ? "no operand" : command.operands, word,
         offer.empty() ? "." : offer);
  }
}

// The given options of the program, checked; their names carry dashes, for the errors.
class Checked {
 public:
  Checked(const Command& command, const std::map<std::string, std::string>& given) {
    std::vector<Option> declared;
    std::map<std::string, std::string> values;
    for (const auto& [name, value] : given) {
      Option option = program_option(name);
      if (name == "format")
        option = Option::choice("format", command.formats.front(), command.formats, option.help);
      option.name = "--" + option.name;
      values[option.name] = value;
      declared.push_back(option);
    }
    values_ = OptionValues("quantbench " + command.name, declared, values);
    given_ = given;
  }

  bool has(const char* name) const { return given_.count(name) > 0; }
  std::string text(const char* name, const std::string& otherwise = "") const {
    return has(name) ? values_.text(dashed(name)) : otherwise;
  }
  int64_t integer(const char* name, int64_t otherwise) const {
    return has(name) ? values_.integer(dashed(name)) : otherwise;
  }
  double real(const char* name, double otherwise) const {
    return has(name) ? values_.real(dashed(name)) : otherwise;
  }

 private:
  static std::string dashed(const char* name) { return std::string("--") + name; }

  OptionValues values_;
  std::map<std::string, std::string> given_;
};

}  // namespace

Arguments parse_arguments(const Values& words) {
  Arguments out;
  load_plugins(words, out);
  Given given = read_words(words);
  out.help = given.program.count("help") > 0;
  out.version = given.program.count("version") > 0;
  if (given.operands.empty()) {
    require(out.help || out.version || words.empty(),
            "No command is given; 'quantbench --help' lists them.");
    return out;
  }
  const Command& command = command_named(given.operands.front());
  out.command = command.name;
  if (out.help) return out;
  check_taken(command, given);
  const Checked checked(command, given.program);
  out.operands.assign(given.operands.begin() + 1, given.operands.end());
  out.recipe = std::move(given.recipe);
  out.skip_done = checked.has("skip-done");
  out.run_missing = checked.has("run");
  out.runner.quiet = checked.has("quiet");
  out.runner.store = checked.text("store", program_option("store").default_value);
  out.runner.data = checked.text("data");
  out.runner.device = checked.text("device", "cpu");
  out.runner.checkpoint_seconds = checked.real("checkpoint-seconds", 60);
  out.threads = static_cast<int>(checked.integer("threads", 0));
  out.peer_timeout = checked.integer("peer-timeout", 1800);
  out.allocation = checked.text("allocation");
  out.isa = checked.text("isa");
  out.latency_batch = checked.integer("batch-size", 128);
  out.format = checked.text("format", command.formats.empty() ? "text" : command.formats.front());
  out.json = out.format == "json";
  out.runner.fresh_baseline = checked.has("fresh-baseline");
  out.dry_run = checked.has("dry-run");
  out.part = checked.text("part");
  out.all = checked.has("all");
  out.filter.tag = checked.text("tag");
  out.against = checked.text("against");
  out.explain = checked.has("explain");
  out.alpha = checked.real("alpha", 0.05);
  out.tolerance = checked.real("tolerance", 0.5);
  out.out = checked.text("out");
  out.to = checked.text("to");
  out.map = checked.text("map");
  out.residual = checked.text("residual");
  out.onnxruntime = checked.text("onnxruntime");
  out.cost = checked.text("cost", "size");
  out.since = checked.text("since");
  out.reference = checked.text("reference");
  out.details = checked.integer("details", 200);
  out.filter.status = checked.text("status");
  out.filter.limit = checked.integer("limit", 0);
  auto only = [&](const char* key) {
    auto found = out.recipe.find(key);
    return found == out.recipe.end() ? std::string() : found->second.front();
  };
  out.filter.method = only("method");
  out.filter.model = only("model");
  out.filter.dataset = only("dataset");
  return out;
}

std::string context_options(const Arguments& arguments) {
  std::string out;
  if (arguments.runner.store != program_option("store").default_value)
    out += " --store " + arguments.runner.store.string();
  if (!arguments.runner.data.empty()) out += " --data " + arguments.runner.data;
  return out;
}

int64_t run_number(const Arguments& arguments, const std::string& text) {
  int64_t id = 0;
  const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), id);
  require(code == std::errc() && stop == text.data() + text.size() && id > 0,
          "'quantbench {}' takes the number of a run, not '{}'; 'quantbench runs' lists them.",
          arguments.command, text);
  return id;
}

int64_t run_operand(const Arguments& arguments) {
  require(arguments.operands.size() == 1,
          "'quantbench {}' takes the number of one run; 'quantbench runs' lists them.",
          arguments.command);
  return run_number(arguments, arguments.operands[0]);
}

}  // namespace quantbench
