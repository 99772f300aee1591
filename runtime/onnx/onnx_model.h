// A model that quantbench wrote, or one like it, run by ONNX Runtime on the batches of a dataset.
#pragma once

#include <map>

#include "base/batch.h"
#include "runtime/onnx/onnx_runtime.h"

namespace quantbench {

class OnnxModel {
 public:
  // Throws Error when ONNX Runtime refuses the model, or when it takes inputs that no batch has.
  OnnxModel(std::shared_ptr<const OnnxRuntime> runtime, std::string_view model,
            const OnnxSessionOptions& options = {});

  // Logits [rows, classes]. Throws Error when the batch lacks the graph that the model needs.
  Tensor forward(const Batch& batch) const;

  // What forward() gives to the session: for whoever measures run() alone.
  std::vector<Tensor> inputs(const Batch& batch) const;
  const OnnxSession& session() const { return session_; }

  std::string name() const { return "ONNX Runtime " + version_; }

 private:
  std::string version_;
  OnnxSession session_;
};

// How often each operator occurs in a model's graph: "QLinearConv" -> 21. Throws Error when `model`
// is none; `what` names it.
std::map<std::string, int64_t> operator_counts(std::string_view model, const std::string& what);

// "QLinearConv 21, QGemm 1, ...", the most frequent first.
std::string text_of(const std::map<std::string, int64_t>& operators);

// The operators that are left when ONNX Runtime has optimized the model.
std::map<std::string, int64_t> optimized_operators(std::shared_ptr<const OnnxRuntime> runtime,
                                                   std::string_view model);

}  // namespace quantbench
