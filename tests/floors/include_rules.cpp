#include "tests/floors/include_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace quantbench {
namespace fs = std::filesystem;
namespace {

// What the sources of a folder may include: whole folders ("models/") and single headers.
const std::map<std::string, std::vector<std::string>> kFloors = {
    {"base", {"base/"}},
    {"datasets", {"base/", "datasets/"}},
    {"models", {"base/", "models/"}},
    {"results", {"base/", "results/"}},
    {"methods", {"base/", "models/", "methods/"}},
    {"runtime", {"base/", "models/", "runtime/", "methods/encoding.h", "methods/bit_width.h"}},
    {"bench", {"base/", "datasets/", "models/", "results/", "methods/", "runtime/", "bench/"}},
};

// A report never knows a tensor.
const std::set<std::string> kTensorHeaders = {"base/torch.h", "base/topology.h", "base/batch.h"};

// Third-party headers (by how they begin) and the one folder that may include them; tests of any
// part may make zip archives.
const std::map<std::string, std::string> kEdges = {
    {"sqlite3.h", "results"},
    {"opencv", "datasets"},
    {"jpeglib.h", "datasets"},
    {"boost/program_options", "bench"},
    {"benchmark/", "bench"},
    {"zip.h", "base"},
    {"immintrin.h", "runtime"},
    {"onnx/", "runtime"},
    {"google/protobuf", "runtime"},
};

bool begins_with(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream in(path);
  for (std::string part; std::getline(in, part, '/');) parts.push_back(part);
  return parts;
}

// "uniform" of "methods/uniform/uniform.h", "" of "methods/method.h".
std::string method_of(const std::string& path) {
  const auto parts = parts_of(path);
  return parts.size() > 2 && parts[0] == "methods" ? parts[1] : "";
}

std::string own_rule(const std::string& path, const std::string& header) {
  const std::string folder = parts_of(path).at(0);
  if (folder == "tests") return "";  // tests may look at everything
  const auto& allowed = kFloors.at(folder);
  const bool stands_below = std::any_of(allowed.begin(), allowed.end(), [&](const auto& start) {
    return start.back() == '/' ? begins_with(header, start) : header == start;
  });
  if (!stands_below)
    return fmt::format("{}/ may only include {}", folder, fmt::join(allowed, ", "));
  if (header.find("..") != std::string::npos) return "includes are relative to the repository";
  if (folder == "results" && kTensorHeaders.count(header) > 0) return "results/ knows no tensor";
  const std::string method = method_of(header);
  if (folder == "methods" && !method.empty() && method != "common" && method != method_of(path)) {
    return "a method knows no other method; what they share stands in methods/common/";
  }
  return "";
}

std::string third_party_rule(const std::string& path, const std::string& header) {
  const auto parts = parts_of(path);
  const std::string folder = parts.at(0) == "tests" && parts.size() > 2 ? parts[1] : parts[0];
  for (const auto& [start, edge] : kEdges) {
    const bool archive_of_test = parts.at(0) == "tests" && start == "zip.h";
    if (begins_with(header, start) && folder != edge && !archive_of_test) {
      return fmt::format("<{}> belongs in {}/ only", start, edge);
    }
  }
  const bool tensors =
      begins_with(header, "torch/") || begins_with(header, "ATen/") || begins_with(header, "c10/");
  if (tensors && folder == "results") return "results/ knows no tensor";
  return "";
}

}  // namespace

std::vector<std::string> include_violations(const std::string& path, std::string_view text) {
  static const std::regex pattern(R"(^\s*#\s*include\s*(["<])([^">]+)[">])");
  std::vector<std::string> out;
  std::istringstream in{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    std::smatch match;
    if (!std::regex_search(line, match, pattern)) continue;
    const std::string header = match[2];
    const bool own = match[1] == "\"" || kFloors.count(parts_of(header).at(0)) > 0;
    const std::string rule = own ? own_rule(path, header) : third_party_rule(path, header);
    if (!rule.empty()) out.push_back(fmt::format("{}:{}: {}: {}.", path, number, line, rule));
  }
  return out;
}

std::vector<std::string> sources(const fs::path& root, const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".h" || extension == ".cpp") {
      out.push_back(fs::relative(entry.path(), root).generic_string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace quantbench
