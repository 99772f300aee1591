// What a package holds, whether or not it lies in a file.
#pragma once

#include <map>
#include <string>

#include "methods/encoding.h"
#include "models/graph.h"
#include "models/tap.h"

namespace quantbench {

struct Package {
  Graph graph;
  std::map<Point, Encoding> weights;         // Weight and Bias points; those left out are plain
  std::map<Point, Format> activations;       // every other point that has a format
  std::map<std::string, Tensor> parameters;  // plain float32 tensors by PyTorch name
  std::map<std::string, std::string> notes;  // method, version, recipe hash: free text
};

}  // namespace quantbench
