// What the tests of this folder share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "tests/base/support.h"

namespace quantbench {

inline std::unique_ptr<Dataset> open_dataset(const std::string& name,
                                             const std::filesystem::path& root,
                                             const std::map<std::string, std::string>& options = {},
                                             uint64_t seed = 0) {
  const DatasetEntry& entry = datasets().get(name);
  return entry.open({root, OptionValues("dataset " + name, entry.options, options), seed});
}

// The content of a contiguous int64 tensor.
inline std::vector<int64_t> integers(const Tensor& t) {
  return {t.data_ptr<int64_t>(), t.data_ptr<int64_t>() + t.numel()};
}

}  // namespace quantbench
