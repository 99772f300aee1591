// What the program says. Everything goes through here, because text from files and stores must not
// steer a terminal, and because a terminal that has gone must not take a run with it: neither
// function ever throws.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>

namespace quantbench {

// To stdout, printable() as it is; a failure is remembered for could_say_everything().
void say_text(std::string_view text);
template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  say_text(fmt::format(format, std::forward<Args>(args)...));
}

// To stderr, printable(); whoever has closed it misses it.
void note_text(std::string_view text);
template <typename... Args>
void note(fmt::format_string<Args...> format, Args&&... args) {
  note_text(fmt::format(format, std::forward<Args>(args)...));
}

// To stderr as it is: what moves the cursor of a terminal.
void draw(std::string_view text);

// Flushes stdout; whether all that was said has arrived.
bool could_say_everything();

// What went wrong, for a person: LibTorch's errors without their backtrace, on one line.
std::string sentence_of(const std::exception& problem);

// To be called first of all: descriptors 0, 1 and 2 that are closed are opened on nothing (on a
// full device for stdout, so that its loss is noticed), or the next file would get their number and
// what is said be written into it. A pipe that breaks is an error and no signal.
void prepare_streams();

}  // namespace quantbench
