// The safetensors container: an 8-byte little-endian length, a JSON header, raw tensors. Weight
// files, packages and checkpoints all use it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/torch.h"

namespace quantbench {

struct SafeTensors {
  std::vector<std::pair<std::string, Tensor>> tensors;  // in file order; CPU, contiguous
  std::map<std::string, std::string> metadata;

  // Throws Error when there is none of that name.
  const Tensor& at(const std::string& name) const;
};

// Written whole or not at all; equal content gives equal bytes. Dtypes: F32, F64, I64, I32, I16,
// I8, U8, BOOL, F16, BF16. Returns the file's length.
uint64_t write_safetensors(const std::filesystem::path& path, const SafeTensors& content);

// Throws Error unless header, offsets, dtypes, shapes and the file's length all agree.
SafeTensors read_safetensors(const std::filesystem::path& path);
SafeTensors parse_safetensors(std::string_view bytes, const std::string& what);

}  // namespace quantbench
