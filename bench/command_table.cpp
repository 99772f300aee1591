#include "bench/command_table.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"

namespace quantbench {
namespace {

constexpr size_t kAny = 1000000;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<Option> make_options() {
  std::vector<Option> out;
  out.push_back(Option::flag("help", false, "show this page; after a command, its options"));
  out.push_back(Option::flag("version", false, "show the version and what it was built from"));
  out.push_back(Option::text("store", "runs/quantbench.db", "the results database"));
  out.push_back(
      Option::text("data", "", "the folder of datasets (default $QUANTBENCH_DATA, else ./data)"));
  out.push_back(
      Option::integer("threads", 1, 1, 4096, "threads (default: the CPUs that may be used)"));
  out.push_back(
      Option::text("plugin", "", "a shared library with methods, datasets or models of your own"));
  out.push_back(Option::flag("quiet", false, "no progress"));
  out.push_back(Option::text("format", "text", "how the answer is written"));
  out.push_back(Option::choice("device", "cpu", {"cpu", "cuda"}, "where networks are trained"));
  out.push_back(
      Option::text("allocation", "", "a file with the bits of each site, for the recipe's method"));
  out.push_back(
      Option::text("isa", "",
                   "the engine's instruction set (default: the fastest usable one); of eval also "
                   "'all': each is held to the reference"));
  out.push_back(
      Option::integer("batch-size", 128, 1, 65536, "images a call of the offline figures"));
  out.push_back(Option::flag("skip-done", false, "leave out what is in the store with status ok"));
  out.push_back(Option::flag(
      "dry-run", false, "say what would be run, how long that should take and what is missing"));
  out.push_back(Option::text("part", "", "I/N: only the I-th of N parts of a sweep"));
  out.push_back(Option::flag("fresh-baseline", false,
                             "train the FP32 network again, whatever baselines/ beside the store "
                             "holds"));
  out.push_back(Option::flag("all", false, "layers, artefacts and recipe too"));
  out.push_back(Option::text("tag", "", "only runs with this tag"));
  out.push_back(Option::real("checkpoint-seconds", 60, 0, 1e6, "time between checkpoints"));
  out.push_back(Option::integer("peer-timeout", 1800, 1, 1000000,
                                "seconds that a process waits for the others of its launch"));
  out.push_back(Option::choice("status", "ok",
                               {"running", "ok", "mistrusted", "failed", "interrupted"},
                               "only runs of this status (default: any)"));
  out.push_back(Option::integer("limit", 1, 1, 1000000000, "at most so many, the newest first"));
  out.push_back(Option::text(
      "against", "", "what all others are compared with: a run, method, recipe or package"));
  out.push_back(Option::flag("explain", false, "in words, with every test"));
  out.push_back(Option::real("alpha", 0.05, 1e-12, 0.999999, "level of the tests over seeds"));
  out.push_back(Option::real("tolerance", 0.5, 0, 100,
                             "points within which an accuracy counts as reproduced"));
  out.push_back(Option::text("out", "", "the file or folder to write"));
  out.push_back(Option::integer("details", 200, 0, 1000000000,
                                "runs that keep their layers, curves and recipe on the page"));
  out.push_back(
      Option::choice("cost", "size", {"size", "bops", "latency"}, "what accuracy is plotted over"));
  out.push_back(Option::text("since", "", "of runs that started then or later (ISO 8601, UTC)"));
  out.push_back(Option::flag("run", false, "run what is missing first"));
  out.push_back(
      Option::text("reference", "",
                   "the folder of reference runs to show apart, or `no` (default: the one "
                   "that came with the program)"));
  out.push_back(
      Option::choice("to", "onnx-qdq", {"onnx-qdq", "onnx-fp32", "qonnx"}, "the kind of file"));
  out.push_back(Option::choice("residual", "integer", {"integer", "quantized"},
                               "sums of residual branches in onnx-qdq: exact, or 8 bits as well"));
  out.push_back(Option::text(
      "map", "", "a JSON file that gives each tensor of a weight file its name here, or null"));
  out.push_back(
      Option::text("onnxruntime", "", "ONNX Runtime's library, or the folder that it is in"));
  return out;
}

std::vector<Command> make_commands() {
  using Keys = Command::Keys;
  const std::vector<std::string> plain{"text", "json"};
  const std::vector<std::string> running{"device", "checkpoint-seconds", "peer-timeout"};
  return {
      {"run",
       "[RECIPE]",
       "run a recipe (a file or a built-in name); a key given several times is a sweep",
       1,
       {"device", "checkpoint-seconds", "peer-timeout", "allocation", "skip-done", "dry-run",
        "part", "fresh-baseline"},
       plain,
       Keys::Recipe},
      {"resume", "RUN", "go on with a run that was stopped", 1, running, plain, Keys::None},
      {"replay", "RUN", "run it again and say whether it came out equal", 1, running, plain,
       Keys::None},
      {"runs", "", "the runs in the store", 0, {"status", "tag", "limit"}, plain, Keys::Filter},
      {"show",
       "RUN",
       "one run: what came out, and where it came from",
       1,
       {"all"},
       plain,
       Keys::None},
      {"tag",
       "RUN [TAG ...]",
       "give a run words to find it by, instead of those that it has",
       kAny,
       {},
       {},
       Keys::None},
      {"rm", "RUN ...", "remove runs from the store, with their files", kAny, {}, {}, Keys::None},
      {"eval",
       "PACKAGE|MODEL.onnx",
       "the accuracy of a package, or of an ONNX file, on --dataset's test split",
       1,
       {"against", "onnxruntime", "isa"},
       plain,
       Keys::Recipe},
      {"convert",
       "PACKAGE",
       "a package as an ONNX file that other tools open",
       1,
       {"to", "out", "residual"},
       {},
       Keys::None},
      {"import",
       "MODEL.onnx|WEIGHTS",
       "a quantized ONNX file from another toolkit as a package; a weight file (.pth, "
       ".safetensors, "
       ".caffemodel) under this program's names",
       1,
       {"out", "map"},
       {},
       Keys::None},
      {"latency",
       "PACKAGE ...",
       "what packages cost to run on this machine, on --dataset's test split or random images",
       kAny,
       {"isa", "batch-size"},
       plain,
       Keys::Recipe},
      {"compare",
       "A B ...",
       "runs, methods or recipes head to head; keys narrow them; `reference`: which runs came out "
       "as "
       "those of the reference (exit code 3 when one did not)",
       kAny,
       {"against", "explain", "alpha", "reference"},
       {"text", "markdown", "csv", "json", "latex"},
       Keys::Recipe},
      {"table",
       "[PAPER [TABLE]]",
       "a paper's figures beside ours",
       2,
       {"tolerance", "run", "device", "reference"},
       {"text", "markdown", "csv", "json", "latex"},
       Keys::None},
      {"plot",
       "pareto|bits|curves|confusion [RUN ...]",
       "a picture (.svg, .pdf, .png), drawn by gnuplot",
       9,
       {"out", "cost"},
       {},
       Keys::Filter},
      {"confusion",
       "RUN",
       "accuracy class by class; csv and json: the confusion matrix",
       1,
       {},
       {"text", "markdown", "csv", "json", "latex"},
       Keys::None},
      {"conformance",
       "[METHOD ...]",
       "hold the methods of --plugin (or these) to the standard of all methods",
       kAny,
       {},
       plain,
       Keys::None},
      {"leaderboard",
       "",
       "one HTML page of all runs, or a table of some",
       0,
       {"out", "details", "reference"},
       {"html", "text", "markdown", "latex"},
       Keys::Filter},
      {"history",
       "",
       "what changed since the runs before; exit code 3 when something regressed",
       0,
       {"since"},
       {"text", "markdown", "json"},
       Keys::None},
      {"merge", "STORE ...", "bring other stores' runs into --store", kAny, {}, {}, Keys::None},
      {"export",
       "",
       "runs for other programs",
       0,
       {"out", "status", "tag", "limit"},
       {"csv", "json", "mlflow", "tensorboard", "reference"},
       Keys::Filter},
      {"list",
       "methods|models|datasets|recipes|keys [NAME]",
       "what there is, every option with its default",
       2,
       {},
       plain,
       Keys::None},
      {"completion",
       "bash|zsh|fish|man",
       "the completions of a shell, or the manual page",
       1,
       {},
       {},
       Keys::None},
      {"doctor", "", "what this program finds on this machine", 0, {"device"}, plain, Keys::None},
  };
}

}  // namespace

const std::vector<Command>& command_table() {
  static const std::vector<Command> commands = make_commands();
  return commands;
}

const Command& command_named(const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : command_table()) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  fail("There is no command '{}'{} 'quantbench --help' lists them.", name,
       nearest_name(name, names).empty() ? ";" : did_you_mean(name, names));
}

const std::vector<Option>& program_options() {
  static const std::vector<Option> options = make_options();
  return options;
}

const Option& program_option(const std::string& name) {
  for (const Option& option : program_options())
    if (option.name == name) return option;
  fail("The program has no option --{}.", name);
}

const std::vector<std::string>& common_options() {
  static const std::vector<std::string> names{"help",    "version", "store", "data",
                                              "threads", "plugin",  "quiet"};
  return names;
}

bool takes(const Command& command, const std::string& name) {
  return contains(common_options(), name) || contains(command.options, name) ||
         (name == "format" && !command.formats.empty());
}

}  // namespace quantbench
