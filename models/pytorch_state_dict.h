// From an unpickled torch.save object to named tensors: what both of its file formats share.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/pickle.h"
#include "base/torch.h"

namespace quantbench {

// A storage as a pickle refers to it: ('storage', torch.FloatStorage, key, location, count).
struct StorageReference {
  std::string key;
  torch::ScalarType type = torch::kFloat;
  int64_t count = 0;  // of elements
};

// Accepts the names that a pickled state dict of plain tensors needs, and no others.
pickle::Policy state_dict_policy();

// Throws Error when `id` is anything else.
StorageReference storage_reference(const pickle::Value& id, const std::string& what);

// Every storage that `root` refers to, by key. Throws Error when two references disagree.
std::map<std::string, StorageReference> all_storages(const pickle::Ref& root,
                                                     const std::string& what);

// The tensors of the state dict that `root` is, or holds under "state_dict". `open` yields the
// elements of a storage, a tensor [count] of its type.
std::map<std::string, Tensor> state_dict_tensors(
    const pickle::Ref& root, const std::string& what,
    const std::function<Tensor(const StorageReference&)>& open);

}  // namespace quantbench
