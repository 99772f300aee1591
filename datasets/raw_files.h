// What readers of real formats share: the sentences that say which file is missing or damaged, and
// how to get it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace quantbench {

// "" when all files are there, else a sentence that names the first one that is not.
std::string missing_file(const std::vector<std::filesystem::path>& files,
                         const std::string& dataset);

// Calls read(); an Error (which names the file) leaves with the advice to fetch `dataset` again.
template <typename Read>
auto reading(const std::string& dataset, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    fail("{} Remove the file and run scripts/fetch_datasets.sh {}.", error.what(), dataset);
  }
}

}  // namespace quantbench
