// NumPy's .npz: a zip archive of arrays.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/torch.h"

namespace quantbench {

// The arrays by name, float ones as float32 and integers as int64 ("<f4", "<f8", "<i1" to "<i8",
// "|u1", "<u2", "<u4", "|b1"; little-endian, in C order). Throws Error on anything else, when a
// shape and its bytes do not agree, and when arrays unfold to more than 64 MiB and 16 times the
// file.
std::map<std::string, Tensor> read_npz(const std::filesystem::path& path);

// One array, the content of a .npy file; `what` names it.
Tensor parse_npy(const std::string& bytes, const std::string& what);

}  // namespace quantbench
