#include "runtime/onnx/import.h"

#include "base/sha256.h"
#include "runtime/onnx/importer.h"

namespace quantbench {

Package from_onnx(std::string_view model, const std::string& what) {
  const torch::NoGradGuard no_grad;
  const ForeignModel foreign = read_onnx(model, what);
  Package out = Importer(foreign, what).package();
  out.notes = {{"method", "imported"},
               {"producer", foreign.producer},
               {"source", sha256(std::string(model))}};
  return out;
}

}  // namespace quantbench
