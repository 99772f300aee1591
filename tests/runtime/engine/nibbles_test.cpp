// Layers whose weights are unpacked from four bits, against the reference.
#include "runtime/engine/program.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/engine/tables.h"
#include "tests/runtime/quantized_package.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

// A flattened image and rows of features through layers of odd sizes: what is left over of a vector
// of weights, of a block of outputs and of a row of the image.
Graph layers() {
  GraphBuilder g("layers", {3, 5, 7}, 5);
  int x = g.relu("relu1", g.conv("conv", g.input(), 6, 3, {1, 1, 1, true}));
  x = g.relu("relu2", g.linear("fc1", g.flatten("flatten", x), 131));
  x = g.relu("relu3", g.linear("fc2", x, 37));
  g.linear("fc3", x, 5);
  return std::move(g).build();
}

int64_t narrow_steps(const engine::Program& program) {
  int64_t count = 0;
  for (const engine::StepInfo& step : program.steps())
    count += contains(step.kernel, "4-bit weights");
  return count;
}

TEST(NibbleKernels, EqualTheReference) {
  for (const engine::KernelTable* kernels : engine::tested_kernels())
    for (const int64_t weight_bits : {2, 3, 4})
      for (const int64_t activation_bits : {4, 8}) {
        SCOPED_TRACE(testing::Message()
                     << kernels->name << " W" << weight_bits << "A" << activation_bits);
        torch::manual_seed(static_cast<uint64_t>(weight_bits));
        const Package package = quantized_package(layers(), weight_bits, activation_bits);
        const ReferenceExecutor reference(package);
        engine::Program program(reference.plan(), *kernels, engine::Bits::Always);
        EXPECT_EQ(narrow_steps(program), 3);
        const Batch batch = pattern_batch({3, 5, 7}, 3, false);
        const Tensor expected = reference.forward(batch);
        for (int threads : {1, 3}) {
          engine::ThreadTeam team(threads);
          EXPECT_TRUE(torch::equal(program.run(batch.input, team), expected));
          const Tensor one = batch.input.narrow(0, 1, 1).contiguous();
          EXPECT_TRUE(torch::equal(program.run(one, team), expected.narrow(0, 1, 1)));
        }
        if (HasFailure()) return;
      }
}

TEST(NibbleKernels, LeastAndGreatestWeightsMeetSignedNumbers) {
  for (const engine::KernelTable* kernels : engine::tested_kernels()) {
    SCOPED_TRACE(kernels->name);
    GraphBuilder g("extremes", {64}, 2);
    g.linear("fc", g.input(), 2);
    Package package;
    package.graph = std::move(g).build();
    package.parameters = plain_parameters(Network(package.graph));
    const UniformFormat format = uniform_format({0.5f}, {0}, 4);
    Tensor codes = torch::full({2, 64}, -8, torch::kInt);
    codes[1] = 7;
    encode(package, "fc", PointKind::Weight, UniformEncoding{format, codes});
    package.activations[{package.graph.index_of("fc"), PointKind::Input}] =
        uniform_format({1.0f}, {0}, 8);
    const ReferenceExecutor reference(package);
    engine::Program program(reference.plan(), *kernels, engine::Bits::Always);
    ASSERT_EQ(narrow_steps(program), 1);
    engine::ThreadTeam team(1);
    for (const float x : {-128.0f, 127.0f}) {
      Batch batch;
      batch.input = torch::full({1, 64}, x);
      EXPECT_TRUE(torch::equal(program.run(batch.input, team), reference.forward(batch)));
    }
  }
}

TEST(NibbleKernels, AreNotTakenForWiderWeightsOrUnasked) {
  const engine::KernelTable& kernels = engine::portable_kernels();
  const Plan four = make_plan(quantized_package(layers(), 4, 8));
  const Plan five = make_plan(quantized_package(layers(), 5, 8));

  EXPECT_EQ(narrow_steps(engine::Program(four, kernels, engine::Bits::Never)), 0);
  EXPECT_EQ(narrow_steps(engine::Program(five, kernels, engine::Bits::Always)), 0);
}

}  // namespace
}  // namespace quantbench
