// A package as an ONNX file that other tools open. What the file computes is read off the plan
// (runtime/plan.h); ONNX.md says how each of its steps is written.
#pragma once

#include <map>
#include <string>

#include "runtime/package_content.h"

namespace quantbench {

enum class OnnxKind {
  Qdq,    // QuantizeLinear / DequantizeLinear, which integer kernels are fused from
  Fp32,   // the decoded weights and no quantization at all
  Qonnx,  // IntQuant and BipolarQuant of the domain qonnx.custom_op.general
};

// How a convolution or a linear layer that a residual is added to is written in a Qdq file.
enum class OnnxResidual {
  Integer,    // ConvInteger, and the sum in float32: the package's arithmetic
  Quantized,  // QuantizeLinear before the sum, too: 8-bit kernels throughout, but rounded once more
};

struct OnnxExport {
  OnnxKind kind = OnnxKind::Qdq;
  OnnxResidual residual = OnnxResidual::Integer;
  std::map<std::string, std::string> metadata;  // beside the package's notes
};

// The bytes of the file. Inputs, in this order: "input" [batch, ...] or [nodes, features]; of graph
// networks also those of "source", "target" (edges as they are), "loop_source", "loop_target"
// (every self-loop replaced by exactly one), each int64 [edges] sorted by target, "graph_of_node"
// int64 [nodes] and "node_counts" int64 [graphs] that it uses. Output: "logits" [rows, classes].
// Throws Error when the package does not fit its graph.
std::string to_onnx(const Package& package, const OnnxExport& how);

}  // namespace quantbench
