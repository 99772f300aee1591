// A network that another tool quantized: imported, packed, run, beside ONNX Runtime on the file.
#include "runtime/engine/engine_executor.h"
#include "runtime/onnx/import.h"
#include "runtime/onnx/onnx_model.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/onnx/peers.h"
#include "tests/runtime/pattern_batch.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

TEST(ForeignModel, ImportedPackedAndRunAnswersLikeOnnxRuntimeToOneStep) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  SKIP_WITHOUT_ONNX_PYTHON();
  const TemporaryFolder folder;
  const ScriptAnswer made = run_script("make_resnet.py", folder / "it.onnx", folder / "log");
  ASSERT_EQ(made.code, 0) << made.text;
  const std::string bytes = read_file(folder / "it.onnx");

  write_package(folder / "it.safetensors", from_onnx(bytes, "it.onnx"));
  const Package package = read_package(folder / "it.safetensors");
  const EngineExecutor executor(package);
  const Batch batch = pattern_batch({3, 16, 16}, 256, false);
  const Tensor ours = executor.forward(batch);
  const Tensor theirs = OnnxModel(onnx_runtime(), bytes).forward(batch);

  EXPECT_EQ(integer_share(executor.plan()), 1.0);
  EXPECT_TRUE(torch::equal(ours, ReferenceExecutor(package).forward(batch)));
  // The logits' grid has a step of 0.05.
  EXPECT_LE((ours - theirs).abs().max().item<double>(), 0.05 * 1.001);
  EXPECT_GE(ours.argmax(1).eq(theirs.argmax(1)).to(torch::kDouble).mean().item<double>(), 0.97);
  EXPECT_GT(std::get<0>(at::_unique(ours.argmax(1))).numel(), 1);
}

}  // namespace
}  // namespace quantbench
