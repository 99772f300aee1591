#include "runtime/reference_executor.h"

#include <limits>

#include "models/model.h"
#include "runtime/reference_finish.h"
#include "tests/models/zoo_inputs.h"
#include "tests/runtime/imagenet_operations.h"
#include "tests/runtime/quantized_package.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

// Simulates a format, as a method's frozen quantizer does.
struct FormatTap : Tap {
  explicit FormatTap(Format f) : format(std::move(f)) {}
  Tensor forward(const Tensor& x, const TapContext&) override {
    return quantbench::apply(format, x);
  }
  Format format;
};

// Checks that what an executor has here is the network's own x on the grid of `format`, and lets
// the network go on with it. Float sums differ in the last place between machines, a value on the
// edge between two codes falls to either side, and fifty layers of random weights would make of
// that one code another output.
struct FollowingTap : Tap {
  FollowingTap(UniformFormat f, Tensor numbers)
      : format(std::move(f)), followed(std::move(numbers)) {}
  Tensor forward(const Tensor& x, const TapContext&) override {
    const float scale = format.scale.item<float>();
    const Tensor held = x.clamp(scale * lowest_code(format).item<float>(),
                                scale * highest_code(format).item<float>());
    EXPECT_LE((held - followed).abs().max().item<float>(),
              0.5f * scale + 2e-5f * x.abs().max().item<float>());
    return followed;
  }
  UniformFormat format;
  Tensor followed;
};

// The training graph with the package's numbers in it, its activations in float.
Network network_of(const Package& package) {
  Network network(package.graph);
  network.eval();
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : network.state())
    if (auto plain = package.parameters.find(name); plain != package.parameters.end())
      Tensor(tensor).copy_(plain->second);
  for (const auto& [point, encoding] : package.weights)
    network.parameter(point.node, name_of(point.kind)).copy_(decode(encoding));
  return network;
}

Tensor simulate(const Package& package, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  Network network = network_of(package);
  for (const auto& [point, format] : package.activations)
    network.set_tap(point, std::make_shared<FormatTap>(format));
  return network.forward(batch);
}

// The same, but every operand is checked and then taken from the executor.
Tensor follow(const ReferenceExecutor& executor, const Package& package, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  Network network = network_of(package);
  const std::vector<Tensor> values = executor.trace(batch);
  size_t followed = 0;
  for (size_t v = 0; v < values.size(); ++v) {
    const PlanValue& value = executor.plan().values[v];
    if (!value.point || !value.grid) continue;
    const auto& format = std::get<UniformFormat>(package.activations.at(*value.point));
    network.set_tap(*value.point,
                    std::make_shared<FollowingTap>(format, values[v] * value.grid->scale));
    ++followed;
  }
  EXPECT_EQ(followed, package.activations.size());
  return network.forward(batch);
}

void expect_agreement(const Package& package, const Batch& batch, double share) {
  const ReferenceExecutor executor(package);

  const Tensor shipped = executor.forward(batch), simulated = simulate(package, batch);

  EXPECT_NEAR(executor.integer_share(), share, 1e-12);
  // Float sums in two orders.
  EXPECT_LE((shipped - simulated).abs().max().item<float>(),
            2e-5f * simulated.abs().max().item<float>());
}

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

Batch graph_batch(int64_t nodes, int64_t features) {
  torch::manual_seed(5);
  Batch batch;
  batch.input = torch::randn({nodes, features});
  batch.topology = std::make_shared<Topology>(nodes, torch::randint(nodes, {4 * nodes}),
                                              torch::randint(nodes, {4 * nodes}));
  return batch;
}

UniformFormat eight_bits(float scale = 0.05f) { return uniform_format({scale}, {0}, 8); }

// Every weight and every operand of a product on 8 bits.
Package quantized_everywhere(const Graph& graph) {
  Package package = float_package(graph);
  for (int i = 0; i <= graph.output(); ++i) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    const bool product = std::holds_alternative<op::Conv2d>(node.operation) ||
                         std::holds_alternative<op::Linear>(node.operation);
    if (!product) continue;
    const Tensor weight = package.parameters.at(node.scope + ".weight");
    const UniformFormat format = eight_bits(0.01f);
    encode(package, node.name, PointKind::Weight,
           UniformEncoding{format, quantize(format, weight)});
    package.activations[{i, PointKind::Input}] = eight_bits();
  }
  return package;
}

TEST(ReferenceExecutor, RunsEveryModelOfTheZooInFloat) {
  for (const std::string& name : models().names()) {
    const bool graphs = models().get(name).graphs;
    const std::vector<int64_t> shape = small_input(name);
    SCOPED_TRACE(name);

    expect_agreement(float_package(build_model(name, {shape, 5})),
                     graphs ? graph_batch(30, 7) : image_batch(3, shape), 0);
  }
}

TEST(ReferenceExecutor, RunsEveryProductOfTheZooOnIntegers) {
  for (const std::string& name : models().names()) {
    if (name == "resnet32" || name == "resnet34" || name == "resnet56" || name == "vgg7" ||
        name == "alexnet_bn" || name == "inception_v3")
      continue;  // as others, slowly
    const bool graphs = models().get(name).graphs;
    const std::vector<int64_t> shape = small_input(name);
    const Package package = quantized_everywhere(build_model(name, {shape, 5}));
    const Batch batch = graphs ? graph_batch(30, 7) : image_batch(3, shape);
    SCOPED_TRACE(name);

    const ReferenceExecutor executor(package);
    const Tensor shipped = executor.forward(batch), simulated = follow(executor, package, batch);

    EXPECT_NEAR(executor.integer_share(), 1, 1e-12);
    EXPECT_LE((shipped - simulated).abs().max().item<float>(),
              2e-5f * simulated.abs().max().item<float>());
  }
}

TEST(ReferenceExecutor, RunsWhatImageNetworksHaveBeyondOthers) {
  expect_agreement(float_package(imagenet_operations()), image_batch(6, {3, 17, 14}), 0);
  expect_agreement(quantized_package(imagenet_operations(), 8, 8), image_batch(6, {3, 17, 14}), 1);
}

TEST(ReferenceExecutor, LooksThroughMaxPoolingAndFlattening) {
  expect_agreement(small_package(), image_batch(20, {2, 8, 8}), 1);
}

TEST(ReferenceExecutor, LooksThroughTheZeroPaddedShortcut) {
  GraphBuilder g("shortcut", {2, 6, 6}, 4);
  const int x = g.pad_shortcut("shortcut", g.input(), 4, 2);
  g.conv("conv", g.dropout("dropout", g.relu("relu", x), 0.5), 4, 3, {1, 1, 1, true});
  Package package = float_package(std::move(g).build());
  encode(package, "conv", PointKind::Weight,
         random_encoding(uniform_format({0.1f}, {2}, 5), {4, 4, 3, 3}));
  package.activations[{0, PointKind::Output}] = uniform_format({0.03f}, {100}, 8, false);

  expect_agreement(package, image_batch(5, {2, 6, 6}), 1);
}

TEST(ReferenceExecutor, AnInputFormatHoldsForItsConsumerOnly) {
  GraphBuilder g("fork", {6}, 3);
  const int a = g.linear("a", g.input(), 3);
  const int b = g.linear("b", g.input(), 3);
  g.add("add", a, b);
  Package package = float_package(std::move(g).build());
  const auto weight = [] { return random_encoding(eight_bits(0.02f), {3, 6}); };
  encode(package, "a", PointKind::Weight, weight());
  encode(package, "b", PointKind::Weight, weight());
  package.activations[{package.graph.index_of("a"), PointKind::Input}] =
      uniform_format({0.5f}, {0}, 3);

  expect_agreement(package, image_batch(10, {6}), 0.5);
}

TEST(ReferenceExecutor, AFloatWeightIsMultipliedInFloat) {
  Package package = small_package();
  const Point point{package.graph.index_of("conv"), PointKind::Weight};
  package.parameters["conv.weight"] = decode(package.weights.at(point));
  package.weights.erase(point);

  // 64 pixels * 4 * 2 * 9 in the convolution, 64 * 3 in the linear layer.
  expect_agreement(package, image_batch(5, {2, 8, 8}), 192.0 / (4608 + 192));
}

Package with_levels(const std::vector<float>& levels) {
  Package package = small_package();
  package.weights[{package.graph.index_of("linear"), PointKind::Weight}] = CodebookEncoding{
      {torch::tensor(levels), {}, BitWidth(2)},
      torch::randint(0, static_cast<int64_t>(levels.size()), {3, 64}, torch::kInt)};
  return package;
}

TEST(ReferenceExecutor, CodebooksOfMultiplesOfOneScaleRunOnIntegers) {
  expect_agreement(with_levels({-0.1f, 0.f, 0.2f}), image_batch(5, {2, 8, 8}), 1);
}

TEST(ReferenceExecutor, OtherCodebooksRunThroughTheirTable) {
  expect_agreement(with_levels({-0.1f, 0.031f, 0.2f}), image_batch(5, {2, 8, 8}),
                   4608.0 / (4608 + 192));
}

MultiBitEncoding planes(std::vector<int64_t> shape, Grouping grouping, int64_t groups,
                        int64_t length, int64_t parts = 1) {
  MultiBitEncoding out;
  out.shape = std::move(shape);
  out.grouping = grouping;
  out.parts = parts;
  out.counts = torch::randint(0, 4, {groups}).to(torch::kByte);
  const int64_t bases = out.counts.sum(torch::kLong).item<int64_t>();
  out.coefficients = torch::rand({bases});
  out.signs = torch::rand({bases, length}) < 0.5;
  return out;
}

TEST(ReferenceExecutor, SignPlanesOfEveryGroupingRunOnIntegers) {
  torch::manual_seed(3);
  const std::vector<MultiBitEncoding> of_conv{planes({4, 2, 3, 3}, Grouping::Channel, 4, 18),
                                              planes({4, 2, 3, 3}, Grouping::Kernel, 8, 9),
                                              planes({4, 2, 3, 3}, Grouping::Pixel, 36, 2)};
  for (const MultiBitEncoding& conv : of_conv) {
    Package package = small_package();
    package.weights[{package.graph.index_of("conv"), PointKind::Weight}] = conv;
    package.weights[{package.graph.index_of("linear"), PointKind::Weight}] =
        planes({3, 64}, Grouping::SubChannel, 24, 8, 8);

    expect_agreement(package, image_batch(5, {2, 8, 8}), 1);
  }
}

TEST(ReferenceExecutor, ActivationsRunThroughThresholdsOntoTheirLevels) {
  for (float top : {0.03f, 0.0317f}) {  // multiples of 0.01, and not
    Package package = small_package();
    package.activations[{package.graph.index_of("relu"), PointKind::Output}] =
        CodebookFormat{torch::tensor({0.f, 0.01f, 0.02f, top}),
                       torch::tensor({0.004f, 0.016f, 0.2f}), BitWidth(2)};

    expect_agreement(package, image_batch(5, {2, 8, 8}), top == 0.03f ? 1 : 4608.0 / 4800);
  }
}

TEST(ReferenceExecutor, ALayerOfZeroBitsGivesItsBias) {
  Package package = small_package();
  UniformFormat nothing = uniform_format({0.03f}, {0}, 0);
  package.weights[{package.graph.index_of("linear"), PointKind::Weight}] =
      UniformEncoding{nothing, torch::zeros({3, 64}, torch::kInt)};

  const Tensor logits = ReferenceExecutor(package).forward(image_batch(5, {2, 8, 8}));

  EXPECT_TRUE(torch::equal(logits, package.parameters.at("linear.bias").expand({5, 3})));
}

TEST(ReferenceExecutor, ElementwiseScalesOnAPowerOfTwoGridRunOnIntegers) {
  Package package = small_package();
  UniformFormat activations;
  activations.granularity = Granularity::Element;
  activations.scale = torch::exp2(torch::randint(-6, -2, {4, 8, 8}).to(torch::kFloat));
  activations.zero_point = torch::zeros({4, 8, 8}, torch::kInt);
  activations.bits = torch::randint(0, 8, {4, 8, 8}, torch::kByte);
  package.activations[{package.graph.index_of("relu"), PointKind::Output}] = activations;
  UniformFormat weights = activations;
  weights.scale = torch::exp2(torch::randint(-6, -2, {3, 64}).to(torch::kFloat));
  weights.zero_point = torch::zeros({3, 64}, torch::kInt);
  weights.bits = torch::randint(0, 8, {3, 64}, torch::kByte);
  weights.is_signed = true;
  package.weights[{package.graph.index_of("linear"), PointKind::Weight}] =
      random_encoding(weights, {3, 64});

  expect_agreement(package, image_batch(5, {2, 8, 8}), 1);
}

TEST(ReferenceExecutor, ElementwiseScalesOffTheGridRunInFloat) {
  Package package = small_package();
  UniformFormat activations;
  activations.granularity = Granularity::Element;
  activations.scale = 0.01 + 0.05 * torch::rand({4, 1, 1});
  activations.zero_point = torch::zeros({4, 1, 1}, torch::kInt);
  activations.bits = torch::full({1}, 6, torch::kByte);
  package.activations[{package.graph.index_of("relu"), PointKind::Output}] = activations;

  expect_agreement(package, image_batch(5, {2, 8, 8}), 4608.0 / (4608 + 192));
}

TEST(ReferenceExecutor, AppliesTheFormatsInsideMessagePassing) {
  for (const char* model : {"gcn2", "gat2"}) {
    Package package = float_package(build_model(model, {{7}, 5}));
    const std::string layer = model == std::string("gcn2") ? "conv1.propagate" : "conv1.attention";
    const int node = package.graph.index_of(layer);
    package.activations[{node, PointKind::Message}] = uniform_format({0.5f}, {0}, 3);
    if (model == std::string("gcn2")) {
      package.activations[{node, PointKind::EdgeNorm}] = uniform_format({0.25f}, {0}, 2, false);
    } else {
      package.activations[{node, PointKind::AttentionVector}] = uniform_format({0.2f}, {0}, 3);
      package.activations[{node, PointKind::AttentionLogit}] = uniform_format({0.2f}, {0}, 3);
    }
    SCOPED_TRACE(model);

    expect_agreement(package, graph_batch(30, 7), 0);
  }
}

TEST(ReferenceExecutor, GivesTheSameBitsWithAnyNumberOfThreads) {
  const ReferenceExecutor executor(small_package());
  const Batch batch = image_batch(37, {2, 8, 8});
  const int threads = at::get_num_threads();

  at::set_num_threads(1);
  const Tensor one = executor.forward(batch);
  at::set_num_threads(3);
  const Tensor three = executor.forward(batch);
  at::set_num_threads(threads);

  EXPECT_TRUE(torch::equal(one, three));
}

TEST(ReferenceExecutor, AnImageGetsTheSameAnswerAloneAndInABatch) {
  const ReferenceExecutor executor(small_package());
  const Batch batch = image_batch(20, {2, 8, 8});
  Batch one;
  one.input = batch.input.narrow(0, 13, 1);

  EXPECT_TRUE(torch::equal(executor.forward(one), executor.forward(batch).narrow(0, 13, 1)));
}

TEST(ReferenceExecutor, NaNStaysVisible) {
  const ReferenceExecutor executor(small_package());
  Batch batch = image_batch(2, {2, 8, 8});
  batch.input[1][0][3][3] = NAN;

  const Tensor logits = executor.forward(batch);

  EXPECT_TRUE(torch::isnan(logits[1]).any().item<bool>());
}

TEST(ReferenceExecutor, RefusesInputsOfAnotherShape) {
  const ReferenceExecutor executor(small_package());

  EXPECT_TRUE(contains(error_of([&] { executor.forward(image_batch(2, {3, 8, 8})); }), "small"));
}

TEST(ReferenceExecutor, RefusesAPackageThatDoesNotFitItsGraph) {
  Package package = small_package();
  package.parameters.erase("bn.weight");

  EXPECT_TRUE(contains(error_of([&] { ReferenceExecutor executor(package); }), "'bn.weight'"));
}

TEST(ReferenceExecutor, AGraphNetworkNeedsAGraph) {
  const ReferenceExecutor executor(float_package(build_model("gcn2", {{7}, 5})));

  EXPECT_FALSE(error_of([&] { executor.forward(image_batch(4, {7})); }).empty());
}

TEST(ReferenceQuantizer, ACodeIsTheNumberOfThresholdsBelow) {
  for (const int64_t levels : {2, 16, 17, 18, 256}) {
    Quantization how;
    how.thresholds = torch::arange(1, levels, torch::kFloat);
    how.levels = torch::arange(levels, torch::kInt);
    const Quantizer quantizer(how, {1});

    for (int32_t n = 0; n < levels; ++n) {
      EXPECT_EQ(quantizer.integer(static_cast<float>(n) + 0.5f, 0), n);
      EXPECT_EQ(quantizer.integer(static_cast<float>(n) + 1, 0), n) << "on the threshold";
    }
    EXPECT_EQ(quantizer.integer(1e30f, 0), levels - 1);
    EXPECT_EQ(quantizer.integer(-1e30, 0), 0);
    EXPECT_EQ(quantizer.integer(std::numeric_limits<float>::quiet_NaN(), 0), 0);
  }
}

TEST(ReferenceQuantizer, ManyNumbersAtOnceGetTheSameCodes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kMost = std::numeric_limits<float>::max();
  torch::manual_seed(4);
  const std::vector<Tensor> cases{
      torch::empty({0}),
      torch::tensor({0.5f}),
      torch::tensor({-1.0f, 1.0f}),
      torch::tensor({2.0f, 2.0f, 2.0f}),
      torch::tensor({-kMost, 0.0f, kMost}),
      torch::tensor({0.0f, 1e-45f}),
      torch::tensor({-kInfinity, 0.0f, kInfinity}),
      std::get<0>(torch::randn({255}).sort()),
      std::get<0>(torch::randn({255}).pow(5).sort()),  // crowded around zero
  };
  for (const Tensor& thresholds : cases) {
    Quantization how;
    how.thresholds = thresholds;
    how.levels = torch::arange(thresholds.numel() + 1, torch::kInt);
    const Quantizer quantizer(how, {1});
    const Tensor around =
        torch::cat({thresholds, thresholds.nextafter(torch::tensor(kInfinity)),
                    thresholds.nextafter(torch::tensor(-kInfinity)), torch::randn({1000}),
                    torch::tensor({kInfinity, -kInfinity, kMost, -kMost, 0.0f, std::nanf("")})});
    std::vector<int32_t> codes(static_cast<size_t>(around.numel()));

    quantizer.integers(around.data_ptr<float>(), around.numel(), codes.data());

    for (int64_t i = 0; i < around.numel(); ++i) {
      const float u = around[i].item<float>();
      EXPECT_EQ(codes[static_cast<size_t>(i)], (thresholds < u).sum().item<int64_t>())
          << u << " of " << thresholds;
    }
  }
}

}  // namespace
}  // namespace quantbench
