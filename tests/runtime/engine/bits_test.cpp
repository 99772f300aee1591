// Products of weights +1 and -1 by counting bits, against the reference.
#include "runtime/engine/engine_executor.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/engine/tables.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

// Convolutions of odd sizes, strides and paddings whose weights are +1 and -1, between ReLUs on
// `bits` bits; `is_signed`: grids that reach below zero instead, so that borders are no zero byte.
Package binary_package(int64_t bits, bool is_signed, unsigned seed) {
  torch::manual_seed(seed);
  GraphBuilder g("binary", {3, 13, 11}, 5);
  int x = g.conv("conv1", g.input(), 20, 3, {1, 1, 1, true});
  x = g.conv("conv2", g.relu("relu1", x), 40, 3, {2, 1, 1, true});
  x = g.conv("conv3", g.relu("relu2", x), 33, 3, {1, 0, 1, true});
  x = g.conv("conv4", g.relu("relu3", x), 70, 1, {1, 0, 1, true});
  x = g.flatten("flatten", g.relu("relu4", x));
  g.linear("linear", x, 5);
  Package package;
  package.graph = std::move(g).build();
  const Network network(package.graph);
  package.parameters = plain_parameters(network);
  for (const Node& node : package.graph.nodes) {
    const bool product = std::holds_alternative<op::Conv2d>(node.operation) ||
                         std::holds_alternative<op::Linear>(node.operation);
    if (!product) continue;
    const Tensor weight = package.parameters.at(node.scope + ".weight");
    UniformFormat format = uniform_format({0.05f}, {1}, 1, false);
    format.step = 2;
    encode(package, node.name, PointKind::Weight,
           UniformEncoding{format, (weight > 0).to(torch::kInt)});
    const int index = package.graph.index_of(node.name);
    const bool first = node.name == "conv1";
    package.activations[{index, PointKind::Input}] =
        first ? uniform_format({0.02f}, {0}, 8)
              : uniform_format({first ? 0.02f : 0.4f}, {is_signed ? 1 : 0}, bits, false);
  }
  return package;
}

int64_t steps_with(const engine::Program& program, const std::string& text) {
  int64_t count = 0;
  for (const engine::StepInfo& step : program.steps()) count += contains(step.kernel, text);
  return count;
}

TEST(BitKernels, EqualTheReference) {
  for (const engine::KernelTable* kernels : engine::usable_kernels()) {
    if (!kernels->has_bytes || !engine::bit_kernels(*kernels)) continue;
    for (const int64_t bits : {1, 2, 3})
      for (const bool is_signed : {false, true}) {
        SCOPED_TRACE(testing::Message() << kernels->name << " " << bits << " bits " << is_signed);
        const Package package =
            binary_package(bits, is_signed, static_cast<unsigned>(2 * bits + is_signed));
        const ReferenceExecutor reference(package);
        const Batch batch = image_batch(4, {3, 13, 11});
        const Tensor expected = reference.forward(batch);
        engine::Program program(reference.plan(), *kernels, engine::Bits::Always);
        EXPECT_EQ(steps_with(program, fmt::format("bits 1x{}", bits)), 4);
        Batch one;
        one.input = batch.input.narrow(0, 0, 1).contiguous();
        const std::vector<Tensor> values = reference.trace(one), mine = program.trace(one);
        for (size_t v = 0; v < values.size(); ++v) {
          if (!mine[v].defined()) continue;
          EXPECT_TRUE(torch::equal(mine[v].reshape(values[v].sizes()), values[v]))
              << reference.plan().values[v].name;
        }
        for (int threads : {1, 3}) {
          engine::ThreadTeam team(threads);
          EXPECT_TRUE(torch::equal(program.run(batch.input, team), expected));
          EXPECT_TRUE(torch::equal(program.run(one.input, team), expected.narrow(0, 0, 1)));
        }
        if (HasFailure()) return;
      }
  }
}

TEST(BitKernels, AreTakenOnlyWhereTheyAreAskedForOrFaster) {
  const Plan plan = make_plan(binary_package(1, false, 1));
  const engine::KernelTable& kernels = engine::portable_kernels();

  EXPECT_EQ(steps_with(engine::Program(plan, kernels, engine::Bits::Never), "bits"), 0);
  EXPECT_GT(steps_with(engine::Program(plan, kernels, engine::Bits::Always), "bits"), 0);
}

}  // namespace
}  // namespace quantbench
