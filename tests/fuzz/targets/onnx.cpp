#include "runtime/onnx/import.h"
#include "runtime/plan.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {
namespace {

const Registration onnx("onnx", [](std::string_view bytes) {
  make_plan(from_onnx(bytes, "The file"));
});

}  // namespace
}  // namespace quantbench::fuzz
