// Multi-bit weights in the engine against the reference, for every way of cutting them.
#include "runtime/engine/program.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/engine/tables.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

// Between no base and three in each group.
MultiBitEncoding random_planes(Grouping grouping, int64_t parts, std::vector<int64_t> shape) {
  MultiBitEncoding e;
  e.grouping = grouping;
  e.parts = parts;
  e.shape = std::move(shape);
  int64_t all = 1;
  for (const int64_t size : e.shape) all *= size;
  const int64_t taps = e.shape.size() == 4 ? e.shape[2] * e.shape[3] : 1;
  const int64_t row = all / e.shape[0];
  const int64_t length = grouping == Grouping::Channel  ? row
                         : grouping == Grouping::Kernel ? taps
                         : grouping == Grouping::Pixel  ? e.shape[1]
                                                        : row / parts;
  e.counts = torch::randint(0, 4, {all / length}, torch::kLong).to(torch::kByte);
  const int64_t bases = e.counts.to(torch::kLong).sum().item<int64_t>();
  e.coefficients = torch::rand({bases}) * 0.1f + 0.01f;
  e.signs = torch::randint(0, 2, {bases, length}, torch::kLong).to(torch::kBool);
  return e;
}

Package planes_package(Grouping grouping, int64_t bits, bool is_signed) {
  GraphBuilder g("planes", {3, 9, 10}, 4);
  int x = g.conv("conv1", g.input(), 19, 3, {1, 1, 1, true});
  x = g.conv("conv2", g.relu("relu1", x), 34, 3, {2, 1, 1, true});
  x = g.flatten("flatten", g.relu("relu2", x));
  g.linear("linear", x, 4);
  Package package;
  package.graph = std::move(g).build();
  package.parameters = plain_parameters(Network(package.graph));
  for (const char* name : {"conv1", "conv2", "linear"}) {
    const bool linear = std::string(name) == "linear";
    const Tensor weight = package.parameters.at(std::string(name) + ".weight");
    encode(package, name, PointKind::Weight,
           random_planes(linear ? Grouping::SubChannel : grouping, linear ? 2 : 1,
                         weight.sizes().vec()));
    package.activations[{package.graph.index_of(name), PointKind::Input}] =
        std::string(name) == "conv1" ? uniform_format({0.02f}, {0}, 8)
                                     : uniform_format({0.3f}, {0}, bits, is_signed);
  }
  return package;
}

TEST(SignPlanes, EqualTheReference) {
  torch::manual_seed(3);
  for (const Grouping grouping : {Grouping::Channel, Grouping::Kernel, Grouping::Pixel})
    for (const int64_t bits : {2, 8})
      for (const bool is_signed : {false, true}) {
        const Package package = planes_package(grouping, bits, is_signed);
        const ReferenceExecutor reference(package);
        const Batch batch = image_batch(3, {3, 9, 10});
        const Tensor expected = reference.forward(batch);
        Batch one;
        one.input = batch.input.narrow(0, 0, 1).contiguous();
        const std::vector<Tensor> values = reference.trace(one);
        for (const engine::KernelTable* kernels : engine::tested_kernels()) {
          SCOPED_TRACE(testing::Message() << kernels->name << " " << static_cast<int>(grouping)
                                          << " A" << bits << (is_signed ? " signed" : ""));
          engine::Program program(reference.plan(), *kernels);
          int64_t by_kernels = 0;
          for (const engine::StepInfo& step : program.steps())
            by_kernels += contains(step.kernel, "sign planes") && step.integer;
          EXPECT_EQ(by_kernels, 3);
          const std::vector<Tensor> mine = program.trace(one);
          for (size_t v = 0; v < values.size(); ++v) {
            if (!mine[v].defined()) continue;
            EXPECT_TRUE(torch::equal(mine[v].reshape(values[v].sizes()), values[v]))
                << reference.plan().values[v].name;
          }
          engine::ThreadTeam team(2);
          EXPECT_TRUE(torch::equal(program.run(batch.input, team), expected));
          EXPECT_TRUE(torch::equal(program.run(one.input, team), expected.narrow(0, 0, 1)));
          if (HasFailure()) return;
        }
      }
}

}  // namespace
}  // namespace quantbench
