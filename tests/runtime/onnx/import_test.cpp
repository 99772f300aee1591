// What was exported is read back: the same function, from the file alone.
#include "runtime/onnx/import.h"

#include "models/model.h"
#include "runtime/onnx/export.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/quantized_package.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

// Logits of the package and of what came back from its QDQ file, on the same batch.
void expect_round_trip(const Package& package, const Batch& batch, double share, double range) {
  OnnxExport how;
  how.residual = OnnxResidual::Quantized;
  const Package back = from_onnx(to_onnx(package, how), "it");
  const Tensor a = ReferenceExecutor(package).forward(batch);
  const Tensor b = ReferenceExecutor(back).forward(batch);
  EXPECT_GE(a.argmax(1).eq(b.argmax(1)).to(torch::kDouble).mean().item<double>(), share);
  EXPECT_LT((a - b).abs().max().item<double>(), range * a.abs().max().item<double>());
  EXPECT_EQ(integer_share(make_plan(back)), integer_share(make_plan(package)));
}

TEST(OnnxImport, ReadsBackWhatWasExported) {
  expect_round_trip(small_package(), image_batch(20, {2, 8, 8}), 1, 0.01);
}

TEST(OnnxImport, ReadsBackLeNetAndAResidualNetwork) {
  torch::manual_seed(8);
  const Graph lenet = build_model("lenet5", {{1, 28, 28}, 5});
  for (const int bits : {8, 4, 3})
    expect_round_trip(quantized_package(lenet, bits, bits == 3 ? 5 : 8),
                      pattern_batch({1, 28, 28}, 16, false), 0.93, 0.1);
  // Its sums are rounded once more than the package's own.
  expect_round_trip(quantized_package(build_model("resnet20", {{3, 32, 32}, 5}), 8, 8),
                    pattern_batch({3, 32, 32}, 8, false), 0.5, 0.2);
}

TEST(OnnxImport, KeepsCodesInAsFewBitsAsHoldThem) {
  const Package package = small_package();  // weights of 4 bits
  const Package back = from_onnx(to_onnx(package, {}), "it");
  int64_t ours = 0, theirs = 0;
  for (const auto& [point, encoding] : package.weights) ours += code_bits(encoding);
  for (const auto& [point, encoding] : back.weights) theirs += code_bits(encoding);
  EXPECT_EQ(theirs, ours);
}

TEST(OnnxImport, NamesTheFirstNodeThatItCannotTake) {
  torch::manual_seed(8);
  const Package package = quantized_package(build_model("resnet20", {{3, 32, 32}, 5}), 8, 8);
  const std::string problem = error_of([&] { from_onnx(to_onnx(package, {}), "model.onnx"); });
  EXPECT_TRUE(contains(problem, "model.onnx: node ")) << problem;
  EXPECT_TRUE(contains(problem, "(ConvInteger) cannot be taken")) << problem;
}

TEST(OnnxImport, SaysWhereItCameFrom) {
  const Package back = from_onnx(to_onnx(small_package(), {}), "it");
  EXPECT_EQ(back.notes.at("method"), "imported");
  EXPECT_EQ(back.notes.at("producer"), "quantbench");
  EXPECT_EQ(back.notes.at("source").size(), 64u);
}

}  // namespace
}  // namespace quantbench
