// Files that give the class of each image of a folder, row by row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace quantbench {

// Class by image name. A row: the name, then a class, a number 0..classes - 1 or one of `classes`;
// spaces, tabs or commas between, further columns left out; a first row "ImageId,..." too. Throws
// Error, starting with `what`, when a row is incomplete, its class unknown or its name given twice.
std::map<std::string, int64_t> read_label_file(const std::filesystem::path& path,
                                               const std::vector<std::string>& classes,
                                               const std::string& what);

}  // namespace quantbench
