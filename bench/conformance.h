// The standard that every method is held to (DESIGN: how methods are held to one standard), as a
// command can run it on a method out of tree: one small network on synthetic images, trained,
// quantized and packaged several times.
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

// The cases of a method: with options weight_bits (and activation_bits), 8 bits and 4; else one.
std::vector<ConformanceCase> conformance_cases(const std::string& method);

// Runs all checks of a case in `folder`, which is made and may be removed afterwards; calls `done`
// after each. What a check throws becomes its problem.
std::vector<ConformanceCheck> check_conformance(
    const ConformanceCase& subject, const std::filesystem::path& folder,
    const std::function<void(const ConformanceCheck&)>& done);

}  // namespace quantbench
