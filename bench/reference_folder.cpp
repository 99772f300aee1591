#include "bench/reference_folder.h"

#include <fmt/format.h>

#include "base/error.h"
#include "results/reference.h"
#include "results/tables/grid.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

bool has_files(const fs::path& folder) {
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
       entry.increment(code))
    if (entry->path().extension() == ".json") return true;
  return false;
}

}  // namespace

fs::path reference_folder(const Arguments& arguments) {
  std::error_code code;
  if (arguments.reference == "no" || fs::is_directory(arguments.runner.store, code)) return {};
  if (!arguments.reference.empty()) return arguments.reference;
  const fs::path program = fs::read_symlink("/proc/self/exe", code).parent_path();
  if (code) return {};
  for (const char* place : {"../share/quantbench/reference", "results/reference",
                            "../results/reference", "../../results/reference"})
    if (has_files(program / place)) return (program / place).lexically_normal();
  return {};
}

std::optional<Store> reference_store(const Arguments& arguments) {
  const fs::path folder = reference_folder(arguments);
  if (folder.empty()) return std::nullopt;
  return read_reference(folder);
}

Store store_at(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code) ? read_reference(path) : Store(path, Store::Access::Read);
}

std::string reference_heading(const Arguments& arguments) {
  const std::string words = "Reference runs, apart from those of the store";
  if (arguments.format == "markdown") return fmt::format("\n## {}\n\n", words);
  if (arguments.format == "text")
    return fmt::format("\n{} ({}):\n\n", words, reference_folder(arguments).string());
  return "";
}

}  // namespace quantbench
