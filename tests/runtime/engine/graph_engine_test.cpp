// Graph networks in the engine against the reference: every value, every instruction set.
#include "models/model.h"
#include "runtime/engine/engine_executor.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/engine/tables.h"
#include "tests/runtime/quantized_package.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

Package float_package(const Graph& graph) {
  const Network network(graph);
  Package package;
  package.graph = graph;
  package.parameters = plain_parameters(network);
  return package;
}

// The same with weights on a grid with a zero point, as Degree-Quant has them: n reaches beyond a
// byte.
Package affine(Package package) {
  for (auto& [point, encoding] : package.weights) {
    const Tensor weight = decode(encoding);
    const double low = weight.min().item<double>(), high = 0.7 * weight.max().item<double>();
    UniformFormat format = plain_format((high - low) / 255, 8, false);
    format.zero_point.fill_(static_cast<int64_t>(std::nearbyint(-low / (high - low) * 255)));
    encoding = UniformEncoding{format, quantize(format, weight)};
  }
  return package;
}

// How many of the program's steps the reference does.
int64_t expect_equal(const Package& package, int64_t nodes) {
  const ReferenceExecutor reference(package);
  const Batch batch = pattern_batch(package.graph.input_shape, nodes, true);
  const Tensor expected = reference.forward(batch);
  const std::vector<Tensor> values = reference.trace(batch);
  int64_t left = 0;
  for (const engine::KernelTable* kernels : engine::tested_kernels()) {
    SCOPED_TRACE(kernels->name);
    engine::Program program(reference.plan(), *kernels);
    left = 0;
    for (const engine::StepInfo& step : program.steps()) left += contains(step.kernel, "reference");
    const std::vector<Tensor> mine = program.trace(batch);
    for (size_t v = 0; v < values.size(); ++v) {
      if (!mine[v].defined()) continue;
      EXPECT_TRUE(torch::equal(mine[v], values[v])) << reference.plan().values[v].name;
      if (testing::Test::HasFailure()) return left;
    }
    for (int threads : {1, 3}) {
      engine::ThreadTeam team(threads);
      EXPECT_TRUE(torch::equal(program.run(batch, team), expected)) << threads;
    }
  }
  return left;
}

TEST(GraphEngine, EqualsTheReferenceOnGraphNetworksOfTheZoo) {
  torch::manual_seed(5);
  for (const char* name : {"gcn2", "gin2", "gin5"})
    for (const int64_t features : {1, 9, 70})
      for (const int64_t bits : {8, 4}) {
        SCOPED_TRACE(testing::Message() << name << " of " << features << " at " << bits);
        // These packages leave the outputs of GCN's linear layers in float while norms are
        // integers: no kernel multiplies one by the other.
        const int64_t left = std::string(name) == "gcn2" ? 2 : 0;
        EXPECT_EQ(
            expect_equal(quantized_package(build_model(name, {{features}, 4}), bits, bits), 101),
            left);
        if (HasFailure()) return;
      }
}

TEST(GraphEngine, MultipliesWeightsThatAreBytesWithoutACenter) {
  torch::manual_seed(12);
  for (const int64_t features : {9, 150}) {
    const Package package = affine(quantized_package(build_model("gin5", {{features}, 4}), 8, 8));
    EXPECT_EQ(expect_equal(package, 77), 0) << features;
    const engine::Program program(make_plan(package), engine::choose_kernels("portable"));
    int64_t products = 0;
    for (const engine::StepInfo& step : program.steps()) {
      EXPECT_FALSE(contains(step.kernel, "product i16")) << step.name;
      products += contains(step.kernel, "product u8");
    }
    EXPECT_EQ(products, 12);
  }
}

TEST(GraphEngine, EqualsTheReferenceInFloat) {
  torch::manual_seed(6);
  for (const char* name : {"gcn2", "gin5"})
    EXPECT_EQ(expect_equal(float_package(build_model(name, {{11}, 3})), 47), 0) << name;
}

TEST(GraphEngine, ReadsRowsThatAreMostlyZeroByThemselves) {
  torch::manual_seed(11);
  const Package package = quantized_package(build_model("gcn2", {{150}, 4}), 8, 8);
  const ReferenceExecutor reference(package);
  Batch batch = pattern_batch({150}, 60, true);
  for (const double kept : {0.5, 0.05}) {
    batch.input = batch.input * (torch::rand_like(batch.input) < kept).to(torch::kFloat);
    for (const engine::KernelTable* kernels : engine::tested_kernels()) {
      engine::Program program(reference.plan(), *kernels);
      engine::ThreadTeam team(2);
      EXPECT_TRUE(torch::equal(program.run(batch, team), reference.forward(batch)))
          << kernels->name << " " << kept;
      EXPECT_TRUE(contains(program.steps().at(1).kernel, "sparse")) << program.steps()[1].kernel;
    }
  }
}

TEST(GraphEngine, LeavesAttentionToTheReferenceAndSaysSo) {
  torch::manual_seed(7);
  EXPECT_GT(expect_equal(quantized_package(build_model("gat2", {{9}, 4}), 8, 8), 50), 0);
}

TEST(GraphEngine, TakesOneGraphAfterTheOther) {
  torch::manual_seed(8);
  const Package package = quantized_package(build_model("gin5", {{6}, 4}), 8, 8);
  const ReferenceExecutor reference(package);
  const EngineExecutor executor(package, "", 2);
  for (const int64_t nodes : {200, 1, 49, 700}) {
    const Batch batch = pattern_batch({6}, nodes, true);
    EXPECT_TRUE(torch::equal(executor.forward(batch), reference.forward(batch))) << nodes;
  }
}

TEST(GraphEngine, RefusesWhatDoesNotFitTheNetwork) {
  torch::manual_seed(9);
  const EngineExecutor executor(quantized_package(build_model("gcn2", {{6}, 4}), 8, 8));
  Batch batch = pattern_batch({6}, 30, true);
  const auto topology = batch.topology;

  batch.topology = nullptr;
  EXPECT_THROW(executor.forward(batch), Error);
  batch.topology = topology;
  batch.input = torch::zeros({29, 6});
  EXPECT_THROW(executor.forward(batch), Error);
}

TEST(GraphEngine, KeepsNoNumbersVisible) {
  torch::manual_seed(10);
  const EngineExecutor executor(quantized_package(build_model("gcn2", {{6}, 4}), 8, 8));
  Batch batch = pattern_batch({6}, 30, true);
  batch.input[3][2] = NAN;

  EXPECT_TRUE(executor.forward(batch).isnan().all().item<bool>());
}

}  // namespace
}  // namespace quantbench
