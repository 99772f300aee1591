#include "bench/onnx_peers.h"

#include "runtime/onnx/export.h"
#include "runtime/onnx/onnx_runtime.h"

namespace quantbench {

std::vector<LatencyPeer> onnx_peers(const Package& package) {
  const auto path = OnnxRuntime::find();
  if (!path || make_plan(package).needs_topology) return {};
  const auto runtime = OnnxRuntime::load(*path);
  std::vector<LatencyPeer> out;
  const auto add = [&](const char* subject, const char* kind, const OnnxExport& how) {
    const std::string model = to_onnx(package, how);
    out.push_back(
        {subject, kind, "ONNX Runtime " + runtime->version(), [runtime, model](int threads) {
           OnnxSessionOptions options;
           options.threads = threads;
           const auto session =
               std::make_shared<OnnxSession>(runtime, std::string_view(model), options);
           return [session](const Batch& batch) { session->run({batch.input}); };
         }});
  };
  add("onnx fp32", "float", {OnnxKind::Fp32, {}, {}});
  add("onnx int8", "integer with float parts", {OnnxKind::Qdq, OnnxResidual::Quantized, {}});
  return out;
}

}  // namespace quantbench
