#include "datasets/raw_files.h"

namespace quantbench {

std::string missing_file(const std::vector<std::filesystem::path>& files,
                         const std::string& dataset) {
  for (const std::filesystem::path& file : files) {
    std::error_code code;
    if (!std::filesystem::exists(file, code))
      return fmt::format(
          "{} is missing; run scripts/fetch_datasets.sh {}, or say with --data where it lies.",
          file.string(), dataset);
  }
  return "";
}

}  // namespace quantbench
