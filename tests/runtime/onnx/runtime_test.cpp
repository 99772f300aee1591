// Files for ONNX Runtime: its answers beside the reference executor's, and what it makes of the
// graph.
#include "models/model.h"
#include "runtime/onnx/export.h"
#include "runtime/onnx/onnx_model.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/imagenet_operations.h"
#include "tests/runtime/onnx/peers.h"
#include "tests/runtime/quantized_package.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

void expect_checked(const std::string& model, const std::string& name) {
  if (onnx_python().empty()) return;
  const TemporaryFolder folder;
  write_bytes(folder / (name + ".onnx"), model);
  const ScriptAnswer answer =
      run_script("check_model.py", folder / (name + ".onnx"), folder / "log");
  EXPECT_EQ(answer.code, 0) << answer.text;
}

struct Compared {
  double equal = 0;       // share of equal answers
  double difference = 0;  // the largest one of a logit, over the range of logits
  double mean = 0;        // of all differences, likewise
  std::map<std::string, int64_t> operators;
};

Compared compared(const Package& package, const Batch& batch, const OnnxExport& how) {
  const std::string model = to_onnx(package, how);
  expect_checked(model, package.graph.name);
  const Tensor mine = ReferenceExecutor(package).forward(batch);
  const Tensor theirs = OnnxModel(onnx_runtime(), model).forward(batch);
  EXPECT_EQ(mine.sizes(), theirs.sizes());
  Compared out;
  out.equal = mine.argmax(1).eq(theirs.argmax(1)).to(torch::kDouble).mean().item<double>();
  out.difference =
      (mine - theirs).abs().max().item<double>() / std::max(mine.abs().max().item<double>(), 1e-9);
  out.operators = optimized_operators(onnx_runtime(), model);
  return out;
}

int64_t count(const Compared& c, const std::string& name) {
  const auto found = c.operators.find(name);
  return found == c.operators.end() ? 0 : found->second;
}

Graph graph_of(const std::string& model, const std::vector<int64_t>& shape) {
  torch::manual_seed(8);
  return build_model(model, {shape, 5});
}

// lenet5 with the formats of pooled values in front of the pools, where methods put them.
Package lenet_package(int64_t weight_bits, int64_t activation_bits) {
  const Graph graph = graph_of("lenet5", {1, 28, 28});
  Package package = quantized_package(graph, weight_bits, activation_bits);
  std::map<Point, Format> moved;
  for (const auto& [point, format] : package.activations) {
    int at = point.node;
    if (point.kind == PointKind::Input) at = graph.nodes[static_cast<size_t>(at)].inputs[0];
    const Operation& operation = graph.nodes[static_cast<size_t>(at)].operation;
    if (std::holds_alternative<op::Flatten>(operation))
      at = graph.nodes[static_cast<size_t>(at)].inputs[0];
    if (std::holds_alternative<op::MaxPool>(graph.nodes[static_cast<size_t>(at)].operation))
      at = graph.nodes[static_cast<size_t>(at)].inputs[0];
    moved[{at, PointKind::Output}] = format;
  }
  package.activations = moved;
  return package;
}

TEST(OnnxRuntimePeer, RefusesWhatIsNoModelInItsOwnWords) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  const std::string problem = error_of([] { OnnxSession(onnx_runtime(), "not a model at all"); });
  EXPECT_TRUE(contains(problem, "refuses the model")) << problem;
}

TEST(OnnxRuntimePeer, LibraryThatIsNoneIsNamed) {
  const TemporaryFolder folder;
  EXPECT_TRUE(contains(error_of([&] { OnnxRuntime::find(folder.path().string()); }),
                       folder.path().string()));
  write_bytes(folder / "libonnxruntime.so.1", "nothing");
  const auto found = OnnxRuntime::find(folder.path().string());
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(contains(error_of([&] { OnnxRuntime::load(*found); }), "cannot be loaded"));
}

TEST(OnnxQdq, LeNetRunsOnIntegerKernelsAlone) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  const Package package = lenet_package(8, 8);
  const Compared c = compared(package, pattern_batch({1, 28, 28}, 64, false), {});
  EXPECT_EQ(count(c, "QLinearConv"), 2) << text_of(c.operators);
  EXPECT_EQ(count(c, "Conv") + count(c, "FusedConv") + count(c, "Gemm"), 0) << text_of(c.operators);
  EXPECT_EQ(count(c, "QGemm"), 2) << text_of(c.operators);
  EXPECT_GE(c.equal, 0.98);
  EXPECT_LT(c.difference, 0.02);
}

TEST(OnnxQdq, FourBitWeightsArePackedAndRunOnIntegerKernels) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  const Package package = lenet_package(4, 8);
  EXPECT_LT(to_onnx(package, {}).size(), to_onnx(lenet_package(8, 8), {}).size() * 6 / 10);
  const Compared c = compared(package, pattern_batch({1, 28, 28}, 64, false), {});
  EXPECT_EQ(count(c, "QLinearConv"), 2) << text_of(c.operators);
  EXPECT_EQ(count(c, "Conv") + count(c, "FusedConv"), 0) << text_of(c.operators);
  EXPECT_GE(c.equal, 0.98);
  EXPECT_LT(c.difference, 0.02);
}

TEST(OnnxQdq, ResidualSumsAreExactInIntegerKernels) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  const Package package = quantized_package(graph_of("resnet20", {3, 32, 32}), 8, 8);
  const Batch batch = pattern_batch({3, 32, 32}, 16, false);
  const Compared c = compared(package, batch, {});
  EXPECT_EQ(count(c, "QLinearConv") + count(c, "ConvInteger"), 19) << text_of(c.operators);
  EXPECT_EQ(count(c, "Conv") + count(c, "FusedConv"), 0) << text_of(c.operators);
  EXPECT_LT(c.difference, 0.03);

  OnnxExport rounded;
  rounded.residual = OnnxResidual::Quantized;
  const Compared r = compared(package, batch, rounded);
  // The last sum has no format, and stays in float.
  EXPECT_EQ(count(r, "QLinearConv"), 18) << text_of(r.operators);
  EXPECT_EQ(count(r, "QLinearAdd"), 8) << text_of(r.operators);
  EXPECT_LT(r.difference, 0.2);
}

TEST(OnnxQdq, WhatImageNetworksHaveBeyondOthers) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  torch::manual_seed(8);
  const Package package = quantized_package(imagenet_operations(), 8, 8);
  const Compared c = compared(package, pattern_batch({3, 17, 14}, 16, false), {});
  EXPECT_LT(c.difference, 0.03) << text_of(c.operators);
}

TEST(OnnxQdq, FewerBitsThanATypeHasStayExact) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  for (const auto& [weights, activations] :
       {std::pair<int, int>{2, 2}, {3, 4}, {5, 3}, {6, 7}, {8, 12}, {12, 8}}) {
    SCOPED_TRACE(testing::Message() << "W" << weights << "A" << activations);
    const Package package = lenet_package(weights, activations);
    const Compared c = compared(package, pattern_batch({1, 28, 28}, 32, false), {});
    EXPECT_GE(c.equal, 0.9);
    // A value at the edge between two of few codes may fall to either side.
    EXPECT_LT(c.mean, 0.01);
    if (weights > 8 || activations > 8) continue;
    EXPECT_EQ(count(c, "Conv") + count(c, "FusedConv"), 0) << text_of(c.operators);
  }
}

TEST(OnnxQdq, GraphNetworksGatherAndScatter) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  for (const char* model : {"gcn2", "gin2", "gat2", "gin5"}) {
    SCOPED_TRACE(model);
    const Package package = quantized_package(graph_of(model, {9}), 8, 8);
    const Batch batch = pattern_batch({9}, 40, true);
    const Compared c = compared(package, batch, {});
    EXPECT_GE(c.equal, 0.9);
    EXPECT_LT(c.difference, 0.05);
  }
}

TEST(OnnxFp32, HasNoQuantizationAndTheNetworksAnswers) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  for (const auto& [model, shape] : std::vector<std::pair<std::string, std::vector<int64_t>>>{
           {"lenet5", {1, 28, 28}}, {"resnet20", {3, 32, 32}}, {"gcn2", {9}}, {"gat2", {9}}}) {
    SCOPED_TRACE(model);
    const bool graphs = shape.size() == 1;
    const Graph graph = graph_of(model, shape);
    torch::NoGradGuard no_grad;
    Network network(graph);
    network.eval();
    Package package;
    package.graph = graph;
    package.parameters = plain_parameters(network);
    const Batch batch = pattern_batch(shape, graphs ? 40 : 8, graphs);
    OnnxExport how;
    how.kind = OnnxKind::Fp32;
    const std::string bytes = to_onnx(package, how);
    expect_checked(bytes, model);
    const Tensor theirs = OnnxModel(onnx_runtime(), bytes).forward(batch);
    EXPECT_TRUE(torch::allclose(theirs, network.forward(batch), 1e-3, 1e-3));
    EXPECT_EQ(operator_counts(bytes, "it").count("QuantizeLinear"), 0u);
  }
}

TEST(OnnxModels, AskForTheGraphThatTheyNeed) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  const OnnxModel model(onnx_runtime(),
                        to_onnx(quantized_package(graph_of("gcn2", {9}), 8, 8), {}));
  Batch batch = pattern_batch({9}, 40, true);
  batch.topology = nullptr;
  EXPECT_TRUE(contains(error_of([&] { model.forward(batch); }), "has no graph"));
}

}  // namespace
}  // namespace quantbench
