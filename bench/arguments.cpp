#include "bench/arguments.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <map>
#include <sstream>

#include "base/error.h"
#include "bench/plugin.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "models/model.h"

namespace quantbench {
namespace {

namespace po = boost::program_options;
using Values = std::vector<std::string>;

po::options_description program_options() {
  po::options_description out("Options");
  auto text = [] { return po::value<std::string>(); };
  out.add_options()("help,h", "show this page");
  out.add_options()("store", text(), "the results database (default runs/quantbench.db)");
  out.add_options()("data", text(),
                    "the folder of datasets (default $QUANTBENCH_DATA, else ./data)");
  out.add_options()("device", text(), "cpu or cuda (default cpu)");
  out.add_options()("threads", po::value<int>(), "threads (default: the CPUs that may be used)");
  out.add_options()("format", text(), "text or json; some commands know more");
  out.add_options()("plugin", po::value<Values>(), "a shared library with methods of your own");
  out.add_options()("allocation", text(),
                    "run: a file with the bits of each site, for the recipe's method");
  out.add_options()("isa", text(),
                    "latency: the engine's instruction set (default: the fastest usable one)");
  out.add_options()("batch-size", po::value<int64_t>(),
                    "latency: images a call of the offline figures (default 128)");
  out.add_options()("skip-done", "run: leave out what is in the store with status ok");
  out.add_options()("quiet", "no progress");
  out.add_options()("checkpoint-seconds", po::value<double>(),
                    "time between checkpoints (default 60)");
  out.add_options()("status", text(), "runs: only those of this status");
  out.add_options()("limit", po::value<int64_t>(), "runs: at most so many");
  out.add_options()("alpha", po::value<double>(),
                    "compare: level of its tests over seeds (default 0.05)");
  out.add_options()("tolerance", po::value<double>(),
                    "table: points within which an accuracy is reproduced (default 0.5)");
  out.add_options()("out", text(), "export: the file or folder to write; leaderboard: the folder");
  out.add_options()("details", po::value<int64_t>(),
                    "leaderboard: runs with layers, curves and recipe (default 200)");
  out.add_options()("since", text(), "history: of runs that started then or later (ISO 8601, UTC)");
  out.add_options()("run", "table: run what is missing first");
  return out;
}

po::options_description recipe_keys() {
  po::options_description out("Keys of a recipe");
  auto add = [&](const std::string& prefix, const Option& option) {
    out.add_options()((prefix + option.name).c_str(), po::value<Values>(), option.help.c_str());
  };
  for (const Option& option : recipe_options()) add("", option);
  for (const std::string& name : methods().names())
    for (const Option& option : methods().get(name).card.options) add(name + ".", option);
  for (const std::string& name : models().names())
    for (const Option& option : models().get(name).options) add(name + ".", option);
  for (const std::string& name : datasets().names())
    for (const Option& option : datasets().get(name).options) add(name + ".", option);
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

template <typename T, typename Target>
void take(const po::variables_map& map, const char* key, Target& target) {
  if (map.count(key)) target = map[key].as<T>();
}

// Every command knows text and JSON, but for those that say otherwise.
void check_format(const Arguments& arguments) {
  static const std::map<std::string, Values> more{
      {"table", {"text", "markdown", "csv", "json", "latex"}},
      {"history", {"text", "markdown", "json"}},
      {"export", {"csv", "json", "mlflow"}}};
  const auto found = more.find(arguments.command);
  const Values known = found == more.end() ? Values{"text", "json"} : found->second;
  require(std::find(known.begin(), known.end(), arguments.format) != known.end(),
          "Option --format takes {}, not '{}'.", fmt::join(known, " or "), arguments.format);
}

}  // namespace

Arguments parse_arguments(const Values& words) {
  Arguments out;
  load_plugins(words, out);
  po::options_description hidden;
  hidden.add_options()("operand", po::value<Values>());
  const po::options_description program = program_options(), keys = recipe_keys();
  po::options_description all;
  all.add(program).add(keys).add(hidden);
  po::positional_options_description positional;
  positional.add("operand", -1);
  po::variables_map map;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(all).positional(positional).style(style).run(),
              map);
  } catch (const po::error& problem) {
    fail("{}; 'quantbench --help' lists the options, 'quantbench list keys' those of recipes.",
         problem.what());
  }
  Values operands;
  take<Values>(map, "operand", operands);
  if (!operands.empty()) {
    out.command = operands.front();
    out.operands.assign(operands.begin() + 1, operands.end());
  }
  out.help = map.count("help") > 0;
  out.skip_done = map.count("skip-done") > 0;
  out.runner.quiet = map.count("quiet") > 0;
  take<std::string>(map, "store", out.runner.store);
  take<std::string>(map, "data", out.runner.data);
  take<std::string>(map, "allocation", out.allocation);
  take<std::string>(map, "isa", out.isa);
  take<int64_t>(map, "batch-size", out.latency_batch);
  require(out.latency_batch >= 1 && out.latency_batch <= 65536,
          "Option --batch-size takes 1..65536, not {}.", out.latency_batch);
  take<std::string>(map, "device", out.runner.device);
  take<double>(map, "checkpoint-seconds", out.runner.checkpoint_seconds);
  take<int>(map, "threads", out.threads);
  take<int64_t>(map, "limit", out.filter.limit);
  take<std::string>(map, "status", out.filter.status);
  require(out.threads >= 0 && out.threads <= 4096, "Option --threads takes 1..4096, not {}.",
          out.threads);
  require(out.runner.device == "cpu" || out.runner.device == "cuda",
          "Option --device takes cpu or cuda, not '{}'.", out.runner.device);
  out.format = out.command == "export" ? "csv" : "text";
  take<std::string>(map, "format", out.format);
  check_format(out);
  out.json = out.format == "json";
  take<double>(map, "alpha", out.alpha);
  take<double>(map, "tolerance", out.tolerance);
  take<std::string>(map, "out", out.out);
  take<std::string>(map, "since", out.since);
  take<int64_t>(map, "details", out.details);
  require(out.details >= 0, "Option --details is a number of runs, not {}.", out.details);
  out.run_missing = map.count("run") > 0;
  require(out.tolerance >= 0, "Option --tolerance is a distance in points, not {}.", out.tolerance);
  require(out.alpha > 0 && out.alpha < 1, "Option --alpha lies between 0 and 1, not at {}.",
          out.alpha);
  for (const auto& option : keys.options())
    if (map.count(option->long_name()))
      out.recipe[option->long_name()] = map[option->long_name()].as<Values>();
  auto only = [&](const char* key) {
    auto found = out.recipe.find(key);
    return found == out.recipe.end() ? std::string() : found->second.front();
  };
  out.filter.method = only("method");
  out.filter.model = only("model");
  out.filter.dataset = only("dataset");
  return out;
}

std::string usage() {
  std::ostringstream out;
  out << "quantbench: train, pack, measure and compare neural-network quantization methods\n\n"
         "  quantbench run [RECIPE] [--key=value ...]   run a recipe (a file or a built-in name);\n"
         "                                              a key given several times is a sweep\n"
         "  quantbench resume RUN                       go on with a run that was stopped\n"
         "  quantbench replay RUN                       run it again and compare\n"
         "  quantbench runs                             the runs in the store\n"
         "  quantbench show RUN                         one run, whole\n"
         "  quantbench compare A B ...                  runs, methods or recipes head to head;\n"
         "                                              --key=value narrows methods\n"
         "  quantbench table [PAPER [TABLE]]            a paper's figures beside ours\n"
         "  quantbench leaderboard --out FOLDER         one HTML page of all runs\n"
         "  quantbench history                          what changed since the runs before; exit\n"
         "                                              code 3 when something regressed\n"
         "  quantbench merge STORE ...                  bring other stores' runs into --store\n"
         "  quantbench export                           runs as csv, json or mlflow\n"
         "  quantbench list methods|models|datasets|recipes|keys\n"
         "  quantbench latency PACKAGE ...              what packages cost to run on this machine\n"
         "  quantbench doctor                           what this program finds on this machine\n\n"
      << program_options();
  return out.str();
}

int64_t run_operand(const Arguments& arguments) {
  int64_t id = 0;
  const bool one = arguments.operands.size() == 1;
  if (one) {
    const std::string& text = arguments.operands[0];
    const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (code == std::errc() && stop == text.data() + text.size()) return id;
  }
  fail("'quantbench {}' takes the number of one run; 'quantbench runs' lists them.",
       arguments.command);
}

}  // namespace quantbench
