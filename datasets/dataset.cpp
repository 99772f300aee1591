#include "datasets/dataset.h"

#include <cstdlib>

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

std::filesystem::path data_root(const std::string& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("QUANTBENCH_DATA");
  return variable && *variable ? variable : "data";
}

}  // namespace quantbench
