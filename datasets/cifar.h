// The binary files of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records of label bytes followed by
// 3 x 32 x 32 pixels in planes of red, green, blue.
#pragma once

#include <filesystem>

#include "base/sha256.h"
#include "datasets/images.h"

namespace quantbench {

struct CifarLayout {
  std::string dataset;      // "cifar10"
  int64_t label_bytes = 1;  // the last one is the label
  int64_t class_count = 10;
};

// Appends the `records` records of one file to `images` and their bytes to `digest`. Throws Error
// when the file is missing, has not exactly that length, or holds a label out of range.
void read_cifar_file(const std::filesystem::path& path, const CifarLayout& layout, int64_t records,
                     ImageSet& images, Sha256& digest);

}  // namespace quantbench
