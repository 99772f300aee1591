// A package's QONNX file, held to onnx's checker and computed by a small program that was written
// from the description of its operators, beside the reference executor.
#pragma once

#include <cstring>

#include "runtime/onnx/export.h"
#include "runtime/onnx/onnx_model.h"
#include "runtime/reference_executor.h"
#include "tests/base/support.h"
#include "tests/runtime/onnx/peers.h"

namespace quantbench {

struct Evaluated {
  Tensor ours, theirs;
  std::map<std::string, int64_t> operators;
};

inline Evaluated evaluated(const Package& package, const Batch& batch) {
  const TemporaryFolder folder;
  OnnxExport how;
  how.kind = OnnxKind::Qonnx;
  const std::string model = to_onnx(package, how);
  write_bytes(folder / "it.onnx", model);
  const Tensor x = batch.input.contiguous();
  write_bytes(folder / "input",
              {static_cast<const char*>(x.data_ptr()), static_cast<size_t>(x.nbytes())});
  const ScriptAnswer checked = run_script("check_model.py", folder / "it.onnx", folder / "log");
  EXPECT_EQ(checked.code, 0) << checked.text;
  const ScriptAnswer answer =
      run_script("evaluate_qonnx.py",
                 (folder / "it.onnx").string() + " " + (folder / "input").string() + " " +
                     (folder / "output").string(),
                 folder / "log");
  EXPECT_EQ(answer.code, 0) << answer.text;
  Evaluated out;
  out.ours = ReferenceExecutor(package).forward(batch);
  const std::string bytes = answer.code == 0 ? read_file(folder / "output") : "";
  out.theirs = torch::zeros_like(out.ours);
  if (bytes.size() == static_cast<size_t>(out.ours.nbytes()))
    std::memcpy(out.theirs.data_ptr(), bytes.data(), bytes.size());
  else
    ADD_FAILURE() << bytes.size() << " bytes of logits";
  out.operators = operator_counts(model, "it");
  return out;
}

inline double equal_answers(const Evaluated& e) {
  return e.ours.argmax(1).eq(e.theirs.argmax(1)).to(torch::kDouble).mean().item<double>();
}

inline double difference(const Evaluated& e) {
  return (e.ours - e.theirs).abs().max().item<double>() / e.ours.abs().max().item<double>();
}

}  // namespace quantbench
