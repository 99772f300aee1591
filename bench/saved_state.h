// A network and its method as they stood at one moment, and how they are put back.
#pragma once

#include <map>
#include <string>

#include "methods/method.h"

namespace quantbench {

using NamedTensors = std::map<std::string, Tensor>;

// Parameters and buffers of a module by name, detached clones: on the CPU, or where they are.
NamedTensors snapshot(const torch::nn::Module& module);
NamedTensors copy_of(const torch::nn::Module& module);
// Copies such tensors back. Throws Error when names or shapes differ.
void restore(torch::nn::Module& module, const NamedTensors& state);

// What a method's run can go on from, or be packaged from.
struct SavedState {
  NamedTensors network;  // taps included
  MethodState method;
};

SavedState snapshot(const Network& network, const Method& method);
// The method loads its part and builds its taps anew, so that they have the shapes of `state`.
void restore(Network& network, Method& method, const SavedState& state);

// SHA-256 over names, shapes and bytes.
std::string hash_of(const NamedTensors& state);

}  // namespace quantbench
