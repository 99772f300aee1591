#include "runtime/onnx/export.h"

#include "runtime/onnx/lowering.h"

namespace quantbench {

std::string to_onnx(const Package& package, const OnnxExport& how) {
  const torch::NoGradGuard no_grad;
  const Plan plan = make_plan(package);
  return Lowering(package, plan, how).bytes();
}

}  // namespace quantbench
