#include "results/provenance_differences.h"

#include <fmt/format.h>

#include "results/contract.h"

namespace quantbench {
namespace {

std::string source_of(const Provenance& p) {
  return fmt::format("{:.12}{}", p.source_revision, p.source_dirty ? " changed" : "");
}

std::string recipe_without_plugin(const std::string& recipe) {
  auto lines = recipe_lines(recipe);
  lines.erase("method.plugin");
  std::string out;
  for (const auto& [key, value] : lines) out += key + "=" + value + "\n";
  return out;
}

}  // namespace

std::vector<std::string> provenance_differences(const RunRecord& a, const RunRecord& b) {
  std::vector<std::string> out;
  const auto check = [&](const char* what, const std::string& left, const std::string& right) {
    if (left != right)
      out.push_back(fmt::format("{} ({} / {})", what, left.empty() ? "none" : left,
                                right.empty() ? "none" : right));
  };
  const Provenance &p = a.provenance, &q = b.provenance;
  if (recipe_without_plugin(a.recipe) != recipe_without_plugin(b.recipe)) out.push_back("recipe");
  check("plug-in", short_plugin(a.recipe), short_plugin(b.recipe));
  check("data", a.dataset_fingerprint.substr(0, 12), b.dataset_fingerprint.substr(0, 12));
  check("preprocessing", a.preprocessing, b.preprocessing);
  check("method's version", std::to_string(a.method_version), std::to_string(b.method_version));
  check("source", source_of(p), source_of(q));
  check("compiler", p.compiler, q.compiler);
  check("compiler flags", p.compiler_flags, q.compiler_flags);
  check("build type", p.build_type, q.build_type);
  std::map<std::string, std::pair<std::string, std::string>> libraries;
  for (const auto& [name, version] : p.libraries) libraries[name].first = version;
  for (const auto& [name, version] : q.libraries) libraries[name].second = version;
  for (const auto& [name, versions] : libraries)
    check(name.c_str(), versions.first, versions.second);
  check("processor", p.cpu, q.cpu);
  check("GPU", p.gpu, q.gpu);
  check("vector unit", p.isa, q.isa);
  check("BLAS", p.blas, q.blas);
  check("system", p.os, q.os);
  check("threads", std::to_string(p.threads), std::to_string(q.threads));
  check("device", p.device, q.device);
  return out;
}

}  // namespace quantbench
