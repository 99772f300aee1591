// The one standard that every method is held to, built in or plugged in, by the tests and by the
// command: a small network on synthetic images and three on a graph, trained, quantized and
// packaged several times.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace quantbench {

struct ConformanceCheck {
  std::string name;     // "two runs with one seed are equal"
  std::string problem;  // why it does not hold; "": it does
};

// A method with some of its options.
struct ConformanceCase {
  std::string method;
  std::map<std::string, std::string> options;

  std::string name() const;  // "mine weight_bits=4 activation_bits=4"
};

// The cases of a method: 8 bits and 4 where it offers weight_bits (and activation_bits), each
// without training and trained by every rule where it offers mode and rule; else one.
std::vector<ConformanceCase> conformance_cases(const std::string& method);

// Runs all checks of a case in `folder`, which is made and may be removed afterwards; calls `done`
// after each. What a check throws becomes its problem.
std::vector<ConformanceCheck> check_conformance(
    const ConformanceCase& subject, const std::filesystem::path& folder,
    const std::function<void(const ConformanceCheck&)>& done);

}  // namespace quantbench
