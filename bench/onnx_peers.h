// ONNX Runtime beside the engine, where its shared library is found.
#pragma once

#include "bench/package_latency.h"

namespace quantbench {

// ONNX Runtime on the package's exported files, FP32 and INT8 (QDQ, every residual quantized, as
// its integer kernels want it); none where the library is not found, or for a network over graphs.
std::vector<LatencyPeer> onnx_peers(const Package& package);

}  // namespace quantbench
