// The command line: a command, its operands, options of the program, and keys of a recipe.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bench/command_table.h"
#include "bench/recipe.h"
#include "bench/runner.h"

namespace quantbench {

struct Arguments {
  std::string command;
  std::vector<std::string> operands;
  bool help = false, version = false;
  bool json = false;
  std::string format = "text";
  bool skip_done = false;
  int threads = 0;              // 0: as many as CPUs may be used
  int64_t peer_timeout = 1800;  // seconds
  std::vector<std::string> plugins;
  std::string allocation;       // of `run`
  std::string isa;              // an instruction set; "": the fastest; of `eval` also "all"
  int64_t latency_batch = 128;  // of `latency`
  RunnerConfig runner;
  RecipeText recipe;
  RunFilter filter;           // of `runs`
  double alpha = 0.05;        // of `compare`
  std::string against;        // of `compare` and `eval`
  bool explain = false;       // of `compare`
  bool dry_run = false;       // of `run`
  std::string part;           // of `run`: "I/N"
  bool all = false;           // of `show`
  double tolerance = 0.5;     // of `table`, in points
  std::filesystem::path out;  // of `export`, `leaderboard` and `convert`
  std::string to, residual;   // of `convert`
  std::filesystem::path map;  // of `import`: names of weights
  std::string onnxruntime;    // of `eval`: where the library is
  std::string cost = "size";  // of `plot pareto`
  std::string since;          // of `history`
  std::string reference;      // of `table`, `compare` and `leaderboard`: a folder; "no": none
  int64_t details = 200;      // of `leaderboard`
  bool run_missing = false;   // `table`: run what is missing
};

// Loads the plug-ins named on the command line first, since they may add keys. Throws Error on an
// option, key or operand that the command does not take (with the nearest that it does), or a value
// that does not parse. With --help, nothing but the command is read.
Arguments parse_arguments(const std::vector<std::string>& words);

// The options that another command needs to meet the same store and data: " --store PATH" or "".
std::string context_options(const Arguments& arguments);

// A run's number. Throws Error when `text` is none.
int64_t run_number(const Arguments& arguments, const std::string& text);

// The one operand that `resume`, `show` and `replay` take. Throws Error when it is no run number.
int64_t run_operand(const Arguments& arguments);

}  // namespace quantbench
