// The package: what is shipped. One file holds the graph, the encodings of every quantized site
// (codes packed to their true width) and the plain parameters, in the safetensors container. The
// format is described in runtime/PACKAGE.md.
#pragma once

#include <filesystem>

#include "runtime/package_content.h"

namespace quantbench {

// Writes the package whole or not at all, and returns the file's length in bytes.
uint64_t write_package(const std::filesystem::path& path, const Package& package);

// Throws Error on a file that is truncated, oversized, of a newer version, or inconsistent in any
// way (shapes, code ranges, missing parameters). Nothing is allocated by an unchecked field.
Package read_package(const std::filesystem::path& path);

}  // namespace quantbench
