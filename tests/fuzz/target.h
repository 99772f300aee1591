// A reader of foreign bytes, as the fuzzer and the test of the corpus call it. It may answer any
// bytes with a value or with Error, and with nothing else.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace quantbench::fuzz {

struct Target {
  std::string name;  // of its folder in tests/fuzz/corpus
  void (*read)(std::string_view bytes);
};

// In the order of their names.
std::vector<Target>& targets();

struct Registration {
  Registration(const char* name, void (*read)(std::string_view)) {
    targets().push_back({name, read});
  }
};

// Calls the target; Error is an answer, anything else leaves as it is.
void call(const Target& target, std::string_view bytes);

// A file with these bytes in memory (or in the temporary folder), the same name each time.
std::filesystem::path file_of(const std::string& name, std::string_view bytes);

// The input cut at the bytes FF FE FD into `count` parts, the last ones empty where it has fewer:
// for readers of several files at once.
std::vector<std::string> parts_of(std::string_view bytes, size_t count);

}  // namespace quantbench::fuzz
