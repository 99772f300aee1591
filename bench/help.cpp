#include "bench/help.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "bench/build_info.h"

namespace quantbench {
namespace {

constexpr size_t kWidth = 100;

// "store=TEXT", "skip-done".
std::string spelled(const Option& option) {
  switch (option.kind) {
    case Option::Kind::Flag:
      return option.name;
    case Option::Kind::Integer:
      return option.name + "=N";
    case Option::Kind::Real:
      return option.name + "=X";
    case Option::Kind::Choice:
      return fmt::format("{}={}", option.name, fmt::join(option.choices, "|"));
    case Option::Kind::Text:
      break;
  }
  const bool path = option.name != "since" && option.name != "format" && option.name != "tag" &&
                    option.name != "against";
  return option.name + (path ? "=PATH" : "=TEXT");
}

std::string entry(const std::string& left, const std::string& right, size_t indent) {
  std::string out = "  " + left;
  out += out.size() + 2 > indent ? "\n" + std::string(indent, ' ')
                                 : std::string(indent - out.size(), ' ');
  return out + wrapped(right, indent, kWidth) + "\n";
}

std::vector<Option> options_of(const Command& command) {
  std::vector<Option> out;
  for (const std::string& name : command.options) out.push_back(program_option(name));
  if (!command.formats.empty())
    out.push_back(Option::choice(
        "format", command.formats.front(), command.formats,
        fmt::format("how the answer is written (default {})", command.formats.front())));
  return out;
}

std::vector<Option> common() {
  std::vector<Option> out;
  for (const std::string& name : common_options()) out.push_back(program_option(name));
  return out;
}

std::string entries(const std::vector<Option>& options) {
  std::string out;
  for (const Option& option : options) out += entry("--" + spelled(option), option.help, 34);
  return out;
}

std::string keys_text(const Command& command) {
  switch (command.keys) {
    case Command::Keys::Recipe:
      return "--KEY=VALUE, for every key of 'quantbench list keys' and --PART.OPTION=VALUE of "
             "'quantbench "
             "list methods', models and datasets";
    case Command::Keys::Filter:
      return "--method=NAME, --model=NAME, --dataset=NAME: only runs of these";
    case Command::Keys::None:
      break;
  }
  return "";
}

std::string synopsis(const Command& command) {
  return "quantbench " + command.name + (command.operands.empty() ? "" : " " + command.operands);
}

std::string roff(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == '-') out += '\\';
    out += c;
  }
  return !out.empty() && (out[0] == '.' || out[0] == '\'') ? "\\&" + out : out;
}

std::string roff_entries(const std::vector<Option>& options) {
  std::string out;
  for (const Option& option : options)
    out += ".TP\n.B " + roff("--" + spelled(option)) + "\n" + roff(option.help) + "\n";
  return out;
}

// Every option that `command` takes, as words.
std::vector<std::string> words_of(const Command& command) {
  std::vector<std::string> out;
  for (const auto& options : {options_of(command), common()})
    for (const Option& option : options)
      out.push_back("--" + option.name + (option.kind == Option::Kind::Flag ? "" : "="));
  if (command.keys == Command::Keys::Filter)
    for (const char* key : {"--method=", "--model=", "--dataset="}) out.push_back(key);
  return out;
}

std::vector<std::string> command_names() {
  std::vector<std::string> out;
  for (const Command& command : command_table()) out.push_back(command.name);
  return out;
}

std::string bash_completion() {
  std::string cases;
  for (const Command& command : command_table())
    cases +=
        fmt::format("    {}) words=\"{}\" ;;\n", command.name, fmt::join(words_of(command), " "));
  return fmt::format(
      "_quantbench() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} words\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    words=\"{} --help --version\"\n"
      "  else\n"
      "    case ${{COMP_WORDS[1]}} in\n{}    esac\n"
      "  fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "  [[ ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace\n"
      "  return 0\n"
      "}}\n"
      "complete -o default -F _quantbench quantbench\n",
      fmt::join(command_names(), " "), cases);
}

std::string single_quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::string zsh_completion() {
  std::string commands, cases;
  for (const Command& command : command_table()) {
    commands += "    " + single_quoted(command.name + ":" + command.help) + "\n";
    cases += fmt::format("    {}) compadd -S '' -- {} ;;\n", command.name,
                         fmt::join(words_of(command), " "));
  }
  return fmt::format(
      "#compdef quantbench\n"
      "_quantbench() {{\n"
      "  local -a commands\n"
      "  commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  case $words[2] in\n{}  esac\n"
      "  _files\n"
      "}}\n"
      "_quantbench \"$@\"\n",
      commands, cases);
}

std::string fish_completion() {
  std::string out;
  for (const Command& command : command_table()) {
    out += fmt::format("complete -c quantbench -n __fish_use_subcommand -a {} -d {}\n",
                       command.name, single_quoted(command.help));
    for (const auto& options : {options_of(command), common()})
      for (const Option& option : options)
        out += fmt::format(
            "complete -c quantbench -n '__fish_seen_subcommand_from {}' -l {}{} -d {}\n",
            command.name, option.name, option.kind == Option::Kind::Flag ? "" : " -r",
            single_quoted(option.help));
  }
  return out;
}

}  // namespace

std::string usage() {
  std::string out =
      "quantbench: train, pack, measure and compare neural-network quantization methods\n\n";
  for (const Command& command : command_table()) out += entry(synopsis(command), command.help, 46);
  out += "\nOptions of every command ('quantbench COMMAND --help' lists its own):\n";
  return out + entries(common());
}

std::string usage(const Command& command) {
  std::string out =
      fmt::format("{}\n\n  {}\n", synopsis(command), wrapped(command.help, 2, kWidth));
  const std::string own = entries(options_of(command)), keys = keys_text(command);
  if (!own.empty()) out += "\nOptions:\n" + own;
  if (!keys.empty()) out += "\nKeys:\n  " + wrapped(keys, 2, kWidth) + "\n";
  std::vector<std::string> names;
  for (const Option& option : common()) names.push_back("--" + spelled(option));
  return out + "\nOf every command:\n  " +
         wrapped(fmt::format("{}", fmt::join(names, " ")), 2, kWidth) + "\n";
}

std::string version_text() {
  return fmt::format("quantbench {} ({}{}, {}, {})\n", kVersion, kSourceRevision,
                     kSourceDirty ? ", changed" : "", kCompiler, kBuildType);
}

std::string manual_page() {
  std::string out = fmt::format(
      ".TH QUANTBENCH 1 \"\" \"quantbench {}\"\n.SH NAME\nquantbench \\- train, pack, measure and "
      "compare "
      "neural\\-network quantization methods\n.SH SYNOPSIS\n.B quantbench\nCOMMAND [OPERAND ...] "
      "[\\-\\-OPTION ...]\n.SH COMMANDS\n",
      kVersion);
  for (const Command& command : command_table()) {
    const std::string keys = keys_text(command);
    out += fmt::format(".SS {}\n{}.\n{}", roff(synopsis(command)), roff(command.help),
                       roff_entries(options_of(command)));
    if (!keys.empty()) out += ".PP\n" + roff(keys) + ".\n";
  }
  return out + ".SH OPTIONS OF EVERY COMMAND\n" + roff_entries(common());
}

std::string completion(const std::string& shell) {
  if (shell == "bash") return bash_completion();
  if (shell == "zsh") return zsh_completion();
  require(shell == "fish", "There are completions for bash, zsh and fish, not for '{}'.", shell);
  return fish_completion();
}

}  // namespace quantbench
