// The two formats of torch.save: a zip archive (.pth, .pt; since PyTorch 1.6) and, before it, a
// chain of pickles followed by the raw storages (.th). Only tensors and the containers around them
// are built; nothing that a file names is ever run.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/torch.h"

namespace quantbench {

// Whether a file that begins with `head` (16 bytes or more) is one of the two.
bool is_pytorch_zip(std::string_view head);
bool is_pytorch_legacy(std::string_view head);

// The state dict of the file, which stands alone or under "state_dict", by name. Tensors are views
// on the file's storages and may share one. Throws Error on a damaged archive, a class or function
// other than those of plain tensors, a shape that reaches outside its storage, or an entry that is
// no tensor.
std::map<std::string, Tensor> read_pytorch_zip(const std::filesystem::path& path);
std::map<std::string, Tensor> parse_pytorch_legacy(std::string_view bytes, const std::string& what);

}  // namespace quantbench
