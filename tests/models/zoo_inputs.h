// Small inputs for tests over the whole zoo.
#pragma once

#include <string>
#include <vector>

#include "models/model.h"

namespace quantbench {

// The smallest images, or features of nodes, that suit a model here.
inline std::vector<int64_t> small_input(const std::string& model) {
  if (models().get(model).graphs) return {7};
  if (model == "lenet5") return {1, 28, 28};
  const int64_t size = model == "inception_v3" ? 75 : model == "alexnet_bn" ? 64 : 32;
  return {3, size, size};
}

}  // namespace quantbench
