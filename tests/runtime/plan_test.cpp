#include "runtime/plan.h"

#include "models/model.h"
#include "runtime/float_math.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/quantized_package.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

const Step& step_of(const Plan& plan, const std::string& name) {
  for (const Step& step : plan.steps)
    if (step.name == name) return step;
  throw Error("no step " + name);
}

const PlanValue& output_of(const Plan& plan, const Step& step) {
  return plan.values[static_cast<size_t>(step.output)];
}

TEST(Plan, FoldsBatchNormBiasAndScalesIntoOneAffineStep) {
  const Package package = small_package();

  const Plan plan = make_plan(package);

  const Step& step = step_of(plan, "relu");
  EXPECT_EQ(step.nodes, (std::vector<int>{1, 2, 3}));
  const auto& weight = std::get<UniformEncoding>(package.weights.at({1, PointKind::Weight}));
  for (int64_t c = 0; c < 4; ++c) {
    const auto of = [&](const char* name) { return package.parameters.at(name)[c].item<double>(); };
    const double f = of("bn.weight") / std::sqrt(of("bn.running_var") + 1e-5);
    const double a = double{0.02f} * weight.format.scale[c].item<double>() * f / double{0.01f};
    const double b =
        ((of("conv.bias") - of("bn.running_mean")) * f + of("bn.bias")) / double{0.01f};
    EXPECT_NEAR(step.finish.a[c].item<double>(), a, std::abs(a) * 1e-7);
    EXPECT_NEAR(step.finish.b[c].item<double>(), b, std::abs(b) * 1e-6 + 1e-9);
  }
  EXPECT_FALSE(step.finish.wide);
}

TEST(Plan, AReluIsABoundOfTheCodes) {
  Package package = small_package();
  package.activations[{package.graph.index_of("relu"), PointKind::Output}] =
      uniform_format({0.01f}, {0}, 8);

  const Finish finish = step_of(make_plan(package), "relu").finish;

  EXPECT_EQ(finish.quantization->low, 0);
  EXPECT_EQ(finish.quantization->high, 127);
  EXPECT_TRUE(std::isinf(finish.least));
}

TEST(Plan, BoundsOfAccumulatorsFollowFromTheWeights) {
  Package package = small_package();
  auto& weight = std::get<UniformEncoding>(
      package.weights.at({package.graph.index_of("conv"), PointKind::Weight}));
  weight.codes.zero_();
  weight.codes[2][0][0][0] = 7;
  weight.codes[2][1][0][0] = -3;

  const Step step = step_of(make_plan(package), "relu");

  // Operands lie in -128..127.
  EXPECT_EQ(step.most_acc, 7 * 127 + 3 * 128);
  EXPECT_EQ(step.least_acc, -7 * 128 - 3 * 127);
  EXPECT_EQ(step.accumulator, Accumulator::Int32);
}

// A Linear of `inputs` whose sums reach inputs * 2^15 * 2^15.
Package wide_package(int64_t inputs) {
  GraphBuilder g("wide", {inputs}, 1);
  g.linear("linear", g.input(), 1, false);
  Package package;
  package.graph = std::move(g).build();
  UniformFormat format = uniform_format({1.f}, {0}, 16);
  package.weights[{1, PointKind::Weight}] =
      UniformEncoding{format, torch::full({1, inputs}, -32768, torch::kInt)};
  package.activations[{0, PointKind::Output}] = format;
  return package;
}

TEST(Plan, SumsThatLeaveInt32OrFloat32GetWhatHoldsThem) {
  const Step two = step_of(make_plan(wide_package(1)), "linear");
  EXPECT_EQ(two.accumulator, Accumulator::Int32);
  EXPECT_TRUE(two.finish.wide);
  const Package package = wide_package(3);
  EXPECT_EQ(step_of(make_plan(package), "linear").accumulator, Accumulator::Int64);

  Batch batch;
  batch.input = torch::full({1, 3}, -40000.f);
  const Tensor logits = ReferenceExecutor(package).forward(batch);

  EXPECT_EQ(logits.item<float>(), 3.f * 0x1p30f);
}

TEST(Plan, FixedPointSumsThatFloat32CannotHoldAreMadeInFloat64) {
  GraphBuilder g("fixed", {1}, 1);
  g.linear("linear", g.input(), 1, true);
  Package package;
  package.graph = std::move(g).build();
  package.activations[{0, PointKind::Output}] = uniform_format({0x1p-12f}, {0}, 16);
  package.weights[{1, PointKind::Weight}] =
      UniformEncoding{uniform_format({0x1p-3f}, {0}, 4), torch::ones({1, 1}, torch::kInt)};
  package.weights[{1, PointKind::Bias}] =
      UniformEncoding{uniform_format({1.f}, {0}, 16), torch::full({1}, 4096, torch::kInt)};
  UniformFormat output = uniform_format({1.f}, {0}, 16);
  output.rounding = Rounding::HalfUp;
  package.activations[{1, PointKind::Output}] = output;
  Batch batch;
  batch.input = torch::full({1, 1}, 4.f - 0x1p-12f);

  EXPECT_TRUE(step_of(make_plan(package), "linear").finish.wide);
  // 4096 + 1/2 - 2^-15 needs 27 bits; rounded to 24 first it would become 4097.
  EXPECT_EQ(ReferenceExecutor(package).forward(batch).item<float>(), 4096);
}

TEST(Plan, EveryConvolutionOfResNet20IsOneStepOnIntegers) {
  const Package package = quantized_package(build_model("resnet20", {{3, 32, 32}, 10}), 8, 8);

  const Plan plan = make_plan(package);

  // The input, 19 convolutions, two shortcuts, the pool, the classifier.
  EXPECT_EQ(plan.steps.size(), 1u + 19 + 2 + 1 + 1);
  // No product reads the last ReLU's output, so it has no format.
  for (size_t v = 1; v < plan.values.size(); ++v) {
    const bool floats =
        static_cast<int>(v) == plan.output || plan.values[v].name == "layer3.2.relu2";
    EXPECT_EQ(plan.values[v].grid.has_value(), !floats) << plan.values[v].name;
  }
  EXPECT_EQ(integer_share(plan), 1);
  const PlanCost of = cost(plan);
  EXPECT_EQ(of.macs, 40551040);
  EXPECT_EQ(of.bops, 64.0 * 40551040);
  EXPECT_EQ(of.activation_bits, 8);
  EXPECT_EQ(of.code_bits, 8 * of.weights);
}

TEST(Plan, AResidualIsAnAddendOfItsConvolution) {
  const Plan plan = make_plan(quantized_package(build_model("resnet20", {{3, 32, 32}, 10}), 8, 8));

  const Step& step = step_of(plan, "layer1.0.relu2");

  ASSERT_EQ(step.finish.addends.size(), 1u);
  EXPECT_EQ(plan.values[static_cast<size_t>(step.finish.addends[0].value)].name, "relu1");
  EXPECT_TRUE(std::holds_alternative<Product>(step.work));
  EXPECT_EQ(output_of(plan, step).name, "layer1.0.relu2");
}

TEST(Plan, ValuesKnowWhoseFormatTheyHave) {
  const Package package = small_package();
  const Plan plan = make_plan(package);
  for (const auto& [point, format] : package.activations) {
    const auto v = static_cast<size_t>(plan.value_of_node[static_cast<size_t>(point.node)]);
    EXPECT_EQ(plan.values[v].point, point);
  }
}

TEST(Plan, CodesAgreeWithTheFormatsTheyCameFrom) {
  Package package = small_package();
  package.activations[{0, PointKind::Output}] = uniform_format({0.02f}, {114}, 8, false);
  const ReferenceExecutor executor(package);
  const Batch batch = image_batch(3, {2, 8, 8});
  const auto& format = std::get<UniformFormat>(package.activations.at({0, PointKind::Output}));

  const std::vector<Tensor> values = executor.trace(batch);

  const auto v = static_cast<size_t>(executor.plan().value_of_node[0]);
  EXPECT_TRUE(torch::equal(values[v], integers(format, quantize(format, batch.input))));
  EXPECT_EQ(executor.plan().values[v].grid->codes.zero_point, 114);
}

TEST(FloatMath, ExpIsWithinTwoUnitsInTheLastPlace) {
  for (int i = 0; i < 87000; ++i) {
    const float x = -0.001f * static_cast<float>(i);
    const double exact = std::exp(static_cast<double>(x));
    EXPECT_NEAR(plan_exp(x), exact, exact * 0x1p-22) << x;
  }
  EXPECT_EQ(plan_exp(0), 1);
  EXPECT_EQ(plan_exp(-1000), 0);
  EXPECT_TRUE(std::isnan(plan_exp(NAN)));
}

}  // namespace
}  // namespace quantbench
