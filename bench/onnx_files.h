// A package as files that other tools open, and what ONNX Runtime answers with them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/oracle.h"
#include "runtime/engine/engine_executor.h"
#include "runtime/onnx/export.h"

namespace quantbench {

// "onnx-qdq", "onnx-fp32" and "qonnx", as options and recipes have them.
const char* name_of(OnnxKind kind);
OnnxKind onnx_kind(const std::string& name);
// Of names with commas between. Throws Error on one that is not known.
std::vector<OnnxKind> onnx_kinds(const std::string& list);

struct OnnxFile {
  std::string name;  // "package.onnx-qdq.onnx"
  int64_t bytes = 0;
  std::string sha256;
  std::string check;  // a sentence
};

// Writes the file beside `package`, with `metadata`, and asks ONNX Runtime on `samples`, where it
// is found and knows the file's operators. What cannot be written or run is told in `check`.
OnnxFile write_onnx_file(const EngineExecutor& executor, const std::filesystem::path& package,
                         OnnxKind kind, const std::map<std::string, std::string>& metadata,
                         OracleSamples& samples);

}  // namespace quantbench
