// QONNX files, computed by a small program that was written from the description of their
// operators, beside the reference executor.
#include "methods/site.h"
#include "models/model.h"
#include "tests/runtime/imagenet_operations.h"
#include "tests/runtime/onnx/qonnx_evaluation.h"
#include "tests/runtime/quantized_package.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

// lenet5 with narrow channels; `weight` makes the encoding of each weight.
template <typename Weight>
Package lenet(const Weight& weight, int64_t activation_bits) {
  torch::manual_seed(8);
  const Graph graph = build_model("lenet5", {{1, 28, 28}, 5},
                                  {{"channels1", "4"}, {"channels2", "6"}, {"features", "20"}});
  Package package = quantized_package(graph, 8, activation_bits);
  const Network network(graph);
  for (const Site& site : weight_sites(graph))
    package.weights[site.point] = weight(network.parameter(site.point.node, "weight").detach());
  return package;
}

TEST(Qonnx, UniformWidthsOfChannels) {
  SKIP_WITHOUT_ONNX_PYTHON();
  const Evaluated e = evaluated(quantized_package(build_model("lenet5", {{1, 28, 28}, 5}), 3, 5),
                                pattern_batch({1, 28, 28}, 32, false));
  EXPECT_EQ(e.operators.at("IntQuant"), 4 + 4);
  EXPECT_GE(equal_answers(e), 0.96);
  EXPECT_LT(difference(e), 0.02);
}

TEST(Qonnx, ResidualsPoolsAndShortcuts) {
  SKIP_WITHOUT_ONNX_PYTHON();
  torch::manual_seed(8);
  const Evaluated e = evaluated(quantized_package(build_model("resnet20", {{3, 32, 32}, 5}), 4, 6),
                                pattern_batch({3, 32, 32}, 8, false));
  EXPECT_LT(difference(e), 0.05);
}

TEST(Qonnx, WhatImageNetworksHaveBeyondOthers) {
  SKIP_WITHOUT_ONNX_PYTHON();
  torch::manual_seed(8);
  const Evaluated e = evaluated(quantized_package(imagenet_operations(), 8, 8),
                                pattern_batch({3, 17, 14}, 16, false));
  EXPECT_LT(difference(e), 0.02);
}

// HGQ: fixed point, a width and a scale for each weight and activation, half up, wrapping.
TEST(Qonnx, FixedPointOfElementsIsEqualToTheLastBit) {
  SKIP_WITHOUT_ONNX_PYTHON();
  torch::manual_seed(11);
  const Network network(build_model("mlp_jet", {{16}, 5}));
  for (const Overflow overflow : {Overflow::Wrap, Overflow::Saturate}) {
    Package package;
    package.graph = network.graph();
    package.parameters = plain_parameters(network);
    for (int i = 0; i <= package.graph.output(); ++i) {
      const Node& node = package.graph.nodes[static_cast<size_t>(i)];
      auto* linear = std::get_if<op::Linear>(&node.operation);
      if (linear) {
        UniformFormat format;
        format.granularity = Granularity::Element;
        format.scale =
            torch::exp2(torch::randint(-7, -4, {linear->out, linear->in}).to(torch::kFloat));
        format.zero_point = torch::zeros({linear->out, linear->in}, torch::kInt);
        format.bits = torch::randint(0, 6, {linear->out, linear->in}).to(torch::kByte);
        format.is_signed = true;
        format.rounding = Rounding::HalfUp;
        encode(package, node.name, PointKind::Weight,
               random_encoding(format, {linear->out, linear->in}));
        encode(package, node.name, PointKind::Bias,
               random_encoding(uniform_format({0x1p-6f}, {0}, 6), {linear->out}));
      }
      const bool quantized = i == 0 || std::holds_alternative<op::Relu>(node.operation);
      if (!quantized) continue;
      const int64_t size = i == 0 ? 16 : infer_shapes(package.graph)[static_cast<size_t>(i)][0];
      UniformFormat format;
      format.granularity = Granularity::Element;
      format.scale = torch::exp2(torch::randint(-6, -2, {size}).to(torch::kFloat));
      format.zero_point = torch::zeros({size}, torch::kInt);
      format.bits = torch::randint(1, 8, {size}).to(torch::kByte);
      format.is_signed = i == 0;
      format.rounding = Rounding::HalfUp;
      format.overflow = overflow;
      package.activations[{i, PointKind::Output}] = format;
    }
    const Evaluated e = evaluated(package, pattern_batch({16}, 200, false));
    EXPECT_TRUE(torch::equal(e.ours, e.theirs)) << difference(e);
    EXPECT_GE(e.operators.at("IntQuant"), 4 * 4);
  }
}

// ALQ: sums of scaled signs, by channel, kernel, pixel and slice, some groups without any.
TEST(Qonnx, MultiBitWeightsAreSumsOfBipolarQuant) {
  SKIP_WITHOUT_ONNX_PYTHON();
  for (const Grouping grouping : {Grouping::Channel, Grouping::Kernel, Grouping::Pixel}) {
    const Package package = lenet(
        [&](const Tensor& weight) -> Encoding {
          const bool image = weight.dim() == 4;
          MultiBitEncoding planes;
          planes.grouping = image ? grouping : Grouping::SubChannel;
          planes.shape = weight.sizes().vec();
          planes.parts = image ? 1 : 2;
          int64_t groups = weight.size(0) * planes.parts;
          int64_t length = weight.numel() / groups;
          if (image && grouping == Grouping::Kernel) {
            groups = weight.size(0) * weight.size(1);
            length = weight.size(2) * weight.size(3);
          } else if (image && grouping == Grouping::Pixel) {
            groups = weight.size(0) * weight.size(2) * weight.size(3);
            length = weight.size(1);
          }
          planes.counts = torch::randint(0, 4, {groups}).to(torch::kByte);
          const int64_t bases = planes.counts.sum().item<int64_t>();
          planes.coefficients = torch::rand({bases}) * 0.1;
          planes.signs = torch::rand({bases, length}) > 0.5;
          return planes;
        },
        8);
    const Evaluated e = evaluated(package, pattern_batch({1, 28, 28}, 32, false));
    EXPECT_GE(e.operators.at("BipolarQuant"), 4);
    EXPECT_EQ(e.operators.count("IntQuant"), 1u);
    EXPECT_GE(equal_answers(e), 0.96);
    EXPECT_LT(difference(e), 0.02);
  }
}

// Quantization Networks: tables of levels for weights, thresholds for activations.
TEST(Qonnx, CodebooksAreGathered) {
  SKIP_WITHOUT_ONNX_PYTHON();
  Package package = lenet(
      [](const Tensor& weight) -> Encoding {
        CodebookEncoding table;
        table.format.levels = torch::tensor({-0.31f, -0.1f, 0.04f, 0.27f});
        table.format.bits = BitWidth(2);
        table.codes = torch::randint(0, 4, weight.sizes()).to(torch::kInt);
        return table;
      },
      8);
  for (auto& [point, format] : package.activations) {
    if (point.node == 0) continue;
    CodebookFormat table;
    table.levels = torch::tensor({0.0f, 0.3f, 1.1f, 2.0f});
    table.thresholds = torch::tensor({0.11f, 0.52f, 1.6f});
    table.bits = BitWidth(2);
    format = table;
  }
  const Evaluated e = evaluated(package, pattern_batch({1, 28, 28}, 32, false));
  EXPECT_GE(e.operators.at("Gather"), 4 + 3);
  EXPECT_GE(equal_answers(e), 0.96);
  EXPECT_LT(difference(e), 0.05);
}

// BSQ: narrow signed integers of another width in each layer, none at all in one.
TEST(Qonnx, LayersOfDifferentWidthsAndOnePruned) {
  SKIP_WITHOUT_ONNX_PYTHON();
  int64_t layer = 0;
  const Package package = lenet(
      [&](const Tensor& weight) -> Encoding {
        UniformFormat format = uniform_format({0.02f}, {0}, layer++ * 2);
        format.narrow = true;
        return random_encoding(format, weight.sizes());
      },
      6);
  const Evaluated e = evaluated(package, pattern_batch({1, 28, 28}, 32, false));
  EXPECT_EQ(e.operators.at("IntQuant"), 3 + 4);
  EXPECT_GE(equal_answers(e), 0.96);
  EXPECT_LT(difference(e), 0.02);
}

// DoReFa's binary and two-bit weights: grids of step 2.
TEST(Qonnx, OneBitIsBipolar) {
  SKIP_WITHOUT_ONNX_PYTHON();
  int64_t layer = 0;
  const Package package = lenet(
      [&](const Tensor& weight) -> Encoding {
        const int64_t bits = layer++ % 2 + 1;
        UniformFormat format =
            uniform_format({0.05f}, {bits == 1 ? 1 : 3}, bits, /*is_signed=*/false);
        format.step = 2;
        return random_encoding(format, weight.sizes());
      },
      6);
  const Evaluated e = evaluated(package, pattern_batch({1, 28, 28}, 32, false));
  EXPECT_EQ(e.operators.at("BipolarQuant"), 2);
  EXPECT_GE(equal_answers(e), 0.96);
  EXPECT_LT(difference(e), 0.02);
}

}  // namespace
}  // namespace quantbench
