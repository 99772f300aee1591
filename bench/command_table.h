// What the command line knows, as data: every command with its operands and options. Parsing, help,
// the man page and the shells' completions read these tables; nothing else lists a command.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/options.h"

namespace quantbench {

struct Command {
  enum class Keys {
    None,
    Filter,  // --method, --model and --dataset, once each
    Recipe,  // every key of a recipe
  };

  std::string name;
  std::string operands;  // as help shows them: "RUN", "[RECIPE]"
  std::string help;
  size_t most_operands = 0;
  std::vector<std::string> options;  // beside those of every command
  std::vector<std::string> formats;  // the first is the default; none: it takes no --format
  Keys keys = Keys::None;
};

const std::vector<Command>& command_table();

// Throws Error, with the nearest name, when there is no such command.
const Command& command_named(const std::string& name);

// A program's option; flags take no value. Bounds and choices as in recipes.
const std::vector<Option>& program_options();
const Option& program_option(const std::string& name);

// The names of those that every command takes.
const std::vector<std::string>& common_options();

// Whether `command` takes the program's option `name`.
bool takes(const Command& command, const std::string& name);

}  // namespace quantbench
