#include "datasets/dataset.h"

#include <cstdlib>

#include "base/error.h"
#include "base/sha256.h"

namespace quantbench {

const char* name_of(Split split) {
  switch (split) {
    case Split::Train:
      return "train";
    case Split::Validation:
      return "validation";
    case Split::Test:
      return "test";
  }
  return "unknown";
}

Registry<DatasetEntry>& datasets() {
  static Registry<DatasetEntry> registry("dataset");
  return registry;
}

std::string Dataset::sample_name(Split split, int64_t position) const {
  return fmt::format("{} {}", name_of(split), position);
}

std::filesystem::path data_root(const std::string& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("QUANTBENCH_DATA");
  return variable && *variable ? variable : "data";
}

std::string synthetic_fingerprint(const std::string& name, int version,
                                  const OptionValues& options) {
  Sha256 digest;
  digest.update(fmt::format("{} {}", name, version));
  for (const auto& [option, value] : options.canonical()) digest.update(" " + option + "=" + value);
  return digest.hex();
}

}  // namespace quantbench
