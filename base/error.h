// The one exception of quantbench: a sentence for a person that says what went wrong, in which file
// or option, and what to do. It is caught once, in main(); inside a sweep it becomes the run's
// status.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace quantbench {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws Error with a formatted sentence.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> sentence, Args&&... args) {
  throw Error(fmt::format(sentence, std::forward<Args>(args)...));
}

// Throws Error with a formatted sentence unless `condition` holds.
template <typename... Args>
void require(bool condition, fmt::format_string<Args...> sentence, Args&&... args) {
  if (!condition) fail(sentence, std::forward<Args>(args)...);
}

}  // namespace quantbench
