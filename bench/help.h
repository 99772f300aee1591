// The pages of help, made from the command table: for a terminal, as a manual page, and as
// completions for the shells.
#pragma once

#include <string>

#include "bench/command_table.h"

namespace quantbench {

std::string usage();                        // all commands, and the options of every command
std::string usage(const Command& command);  // one command with its own options
std::string version_text();                 // version, revision, compiler

// A manual page in man(7) macros.
std::string manual_page();

// `shell`: "bash", "zsh" or "fish". Throws Error on another one.
std::string completion(const std::string& shell);

}  // namespace quantbench
