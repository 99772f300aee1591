// The engine against the reference: whole networks, every value, every instruction set.
#include "models/model.h"
#include "runtime/engine/engine_executor.h"
#include "runtime/reference_executor.h"
#include "tests/models/zoo_inputs.h"
#include "tests/runtime/engine/tables.h"
#include "tests/runtime/imagenet_operations.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

Package float_package(const Graph& graph) {
  torch::manual_seed(4);
  const Network network(graph);
  Package package;
  package.graph = graph;
  package.parameters = plain_parameters(network);
  for (auto& [name, tensor] : package.parameters)
    if (name.find("running_var") == std::string::npos) tensor += 0.1 * torch::randn_like(tensor);
  return package;
}

struct Bits {
  int64_t weight = 8, activation = 8;
};

// Weights a channel and activations behind every ReLU, addition and the input, as post-training
// quantization has them.
Package quantized(const Graph& graph, Bits bits) {
  Package package = float_package(graph);
  for (int i = 0; i <= graph.output(); ++i) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    const bool product = std::holds_alternative<op::Conv2d>(node.operation) ||
                         std::holds_alternative<op::Linear>(node.operation);
    if (!product) continue;
    const Tensor weight = package.parameters.at(node.scope + ".weight");
    const auto channels = weight.size(0);
    UniformFormat format;
    format.granularity = Granularity::Channel;
    const double most = static_cast<double>((int64_t{1} << (bits.weight - 1)) - 1);
    format.scale = weight.flatten(1).abs().amax(1) / most + 1e-6;
    format.zero_point = torch::zeros({channels}, torch::kInt);
    format.bits = torch::full({1}, bits.weight, torch::kByte);
    format.is_signed = format.narrow = true;
    encode(package, node.name, PointKind::Weight,
           UniformEncoding{format, quantize(format, weight)});
    const bool first = std::holds_alternative<op::Input>(
        graph.nodes[static_cast<size_t>(node.inputs[0])].operation);
    const int64_t width = first ? 8 : bits.activation;
    const float scale = first ? 0.02f : 6.0f / static_cast<float>((int64_t{1} << width) - 1);
    package.activations[{i, PointKind::Input}] =
        uniform_format({scale}, {first ? 114 : 0}, width, false);
  }
  return package;
}

// Logits and, for programs, every value in memory.
void expect_equal(const Package& package, const Batch& batch) {
  const ReferenceExecutor reference(package);
  const Tensor expected = reference.forward(batch);
  Batch one;
  one.input = batch.input.narrow(0, 0, 1).contiguous();
  const std::vector<Tensor> values = reference.trace(one);
  int64_t macs = 0;
  for (int64_t of_node : count_macs(package.graph)) macs += of_node;
  const bool large = macs > 10'000'000;
  for (const engine::KernelTable* kernels :
       large ? engine::usable_kernels() : engine::tested_kernels()) {
    if (large && kernels == &engine::portable_kernels())
      continue;  // takes minutes, as the emulation does
    SCOPED_TRACE(kernels->name);
    engine::Program program(reference.plan(), *kernels);
    const std::vector<Tensor> mine = program.trace(one);
    for (size_t v = 0; v < values.size(); ++v) {
      if (!mine[v].defined()) continue;
      const Tensor same = mine[v].reshape(values[v].sizes());
      EXPECT_TRUE(torch::equal(same, values[v]))
          << reference.plan().values[v].name << ": " << (same != values[v]).sum().item<int64_t>()
          << " of " << same.numel() << " differ";
      if (testing::Test::HasFailure()) return;
    }
    for (int threads : {1, 2, 3}) {
      engine::ThreadTeam team(threads);
      EXPECT_TRUE(torch::equal(program.run(batch.input, team), expected)) << threads;
      EXPECT_TRUE(torch::equal(program.run(one.input, team), expected.narrow(0, 0, 1))) << threads;
    }
  }
}

TEST(Engine, EqualsTheReferenceOnASmallNetwork) {
  expect_equal(small_package(), image_batch(7, {2, 8, 8}));
}

TEST(Engine, EqualsTheReferenceOnImageNetworksOfTheZoo) {
  for (const std::string& name : models().names()) {
    if (models().get(name).graphs) continue;
    const std::set<std::string> large{"alexnet_bn", "inception_v3", "resnet18", "resnet34",
                                      "resnet50"};
    if (large.count(name)) continue;
    const std::vector<int64_t> shape = small_input(name);
    for (const Bits bits : {Bits{8, 8}, Bits{4, 4}, Bits{8, 12}, Bits{12, 8}}) {
      SCOPED_TRACE(testing::Message() << name << " W" << bits.weight << "A" << bits.activation);
      const bool deep = name != "lenet5" && bits.weight + bits.activation != 16;
      if (deep && name != "resnet20") continue;
      expect_equal(quantized(build_model(name, {shape, 5}), bits), image_batch(3, shape));
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(Engine, EqualsTheReferenceOnWhatImageNetworksHaveBeyondOthers) {
  for (const Bits bits : {Bits{8, 8}, Bits{4, 4}, Bits{8, 12}, Bits{12, 8}})
    expect_equal(quantized(imagenet_operations(), bits), image_batch(5, {3, 17, 14}));
  expect_equal(float_package(imagenet_operations()), image_batch(5, {3, 17, 14}));
}

TEST(Engine, EqualsTheReferenceInFloat) {
  expect_equal(float_package(build_model("resnet20", {{3, 32, 32}, 5})),
               image_batch(3, {3, 32, 32}));
  expect_equal(float_package(build_model("lenet5", {{1, 28, 28}, 5})), image_batch(3, {1, 28, 28}));
}

TEST(Engine, ComputesGroupsAndDepthwiseConvolutions) {
  GraphBuilder g("groups", {8, 9, 7}, 4);
  int x = g.conv("wide", g.input(), 12, 3, {2, 1, 4, true});
  x = g.conv("deep", g.relu("relu1", x), 12, 3, {1, 1, 12, true});
  x = g.flatten("flatten", g.relu("relu2", x));
  g.linear("linear", x, 4);
  expect_equal(quantized(std::move(g).build(), {8, 8}), image_batch(3, {8, 9, 7}));
}

TEST(Engine, KeepsNoNumbersVisible) {
  Batch batch = image_batch(3, {2, 8, 8});
  batch.input[1][0][3][3] = NAN;
  const EngineExecutor executor(small_package(), "", 2);

  const Tensor out = executor.forward(batch);

  EXPECT_TRUE(out[1].isnan().all().item<bool>());
  EXPECT_FALSE(out[0].isnan().any().item<bool>() || out[2].isnan().any().item<bool>());
}

TEST(Engine, RefusesAnInstructionSetThatIsNone) {
  EXPECT_THROW(EngineExecutor(small_package(), "altivec"), Error);
}

}  // namespace
}  // namespace quantbench
