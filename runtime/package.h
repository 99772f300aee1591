// The package: what is shipped. One file holds the graph, the encodings of every quantized site
// (codes packed to their true width) and the plain parameters, in the safetensors container. The
// format is described in runtime/PACKAGE.md.
#pragma once

#include <filesystem>
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

// Writes the package whole or not at all, and returns the file's length in bytes.
uint64_t write_package(const std::filesystem::path& path, const Package& package);

// Throws Error on a file that is truncated, oversized, of a newer version, or inconsistent in any
// way (shapes, code ranges, missing parameters). Nothing is allocated by an unchecked field.
Package read_package(const std::filesystem::path& path);

}  // namespace quantbench
