// A quantized ONNX file from another toolkit as a package, so that it can be packed, measured and
// ranked like one of ours. What is taken: networks of images or features in QuantizeLinear /
// DequantizeLinear form (opset 10 to 21), or in float, of the operations that a Graph knows;
// ONNX.md lists them. Nothing of the file is run.
#pragma once

#include <filesystem>
#include <string_view>

#include "runtime/package_content.h"

namespace quantbench {

// `what` names the file in errors. Throws Error: on bytes that are no model, or are truncated; on
// an initializer whose size is not that of its shape, or that lies in another file; on a node that
// reads what no earlier node gives (a cycle); and on the first node that a package cannot hold,
// which it names.
Package from_onnx(std::string_view model, const std::string& what);

}  // namespace quantbench
