// Public weight files: safetensors, PyTorch's zip format (.pth, .pt) and its older pickled format
// (.th), into a network of this program.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "models/network.h"

namespace quantbench {

// The tensors of a weight file by name, whatever its format (told by content, not by extension). A
// state dict may stand alone or under "state_dict"; a common prefix "module." is dropped. Throws
// Error on a file that is damaged or holds anything but tensors.
std::map<std::string, Tensor> read_weight_file(const std::filesystem::path& path);

// Copies `weights` into the network. Throws Error with the full list of missing, unexpected and
// mis-shaped tensors when they do not match exactly (num_batches_tracked may be missing).
void load_weights(Network& network, const std::map<std::string, Tensor>& weights,
                  const std::string& what);

}  // namespace quantbench
