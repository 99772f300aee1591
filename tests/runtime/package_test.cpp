#include "runtime/package.h"

#include "base/file.h"
#include "models/model.h"
#include "models/safetensors.h"
#include "tests/models/zoo_inputs.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

void expect_equal(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.defined(), b.defined());
  if (!a.defined()) return;
  EXPECT_EQ(a.scalar_type(), b.scalar_type());
  EXPECT_TRUE(torch::equal(a, b));
}

void expect_equal(const UniformFormat& a, const UniformFormat& b) {
  EXPECT_EQ(a.granularity, b.granularity);
  expect_equal(a.scale, b.scale);
  expect_equal(a.zero_point, b.zero_point);
  expect_equal(a.bits, b.bits);
  EXPECT_EQ(a.is_signed, b.is_signed);
  EXPECT_EQ(a.narrow, b.narrow);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.rounding, b.rounding);
  EXPECT_EQ(a.overflow, b.overflow);
}

void expect_equal(const CodebookFormat& a, const CodebookFormat& b) {
  EXPECT_EQ(a.bits, b.bits);
  expect_equal(a.levels, b.levels);
  expect_equal(a.thresholds, b.thresholds);
}

void expect_equal(const Format& a, const Format& b) {
  ASSERT_EQ(a.index(), b.index());
  if (auto* f = std::get_if<UniformFormat>(&a)) expect_equal(*f, std::get<UniformFormat>(b));
  if (auto* f = std::get_if<CodebookFormat>(&a)) expect_equal(*f, std::get<CodebookFormat>(b));
}

void expect_equal(const Encoding& a, const Encoding& b) {
  ASSERT_EQ(a.index(), b.index());
  if (auto* e = std::get_if<UniformEncoding>(&a)) {
    expect_equal(e->format, std::get<UniformEncoding>(b).format);
    expect_equal(e->codes, std::get<UniformEncoding>(b).codes);
  } else if (auto* c = std::get_if<CodebookEncoding>(&a)) {
    expect_equal(c->format, std::get<CodebookEncoding>(b).format);
    expect_equal(c->codes, std::get<CodebookEncoding>(b).codes);
  } else if (auto* m = std::get_if<MultiBitEncoding>(&a)) {
    const auto& n = std::get<MultiBitEncoding>(b);
    EXPECT_EQ(m->grouping, n.grouping);
    EXPECT_EQ(m->parts, n.parts);
    EXPECT_EQ(m->shape, n.shape);
    expect_equal(m->counts, n.counts);
    expect_equal(m->coefficients, n.coefficients);
    expect_equal(m->signs, n.signs);
  }
}

class PackageFile : public ::testing::Test {
 protected:
  Package round_trip(const Package& package) {
    write_package(folder_ / "p", package);
    return read_package(folder_ / "p");
  }

  // Writes, reads and compares everything, then writes once more and compares the bytes.
  void expect_lossless(const Package& package) {
    const Package read = round_trip(package);
    ASSERT_EQ(read.weights.size(), package.weights.size());
    for (const auto& [point, encoding] : package.weights)
      expect_equal(encoding, read.weights.at(point));
    ASSERT_EQ(read.activations.size(), package.activations.size());
    for (const auto& [point, format] : package.activations)
      expect_equal(format, read.activations.at(point));
    ASSERT_EQ(read.parameters.size(), package.parameters.size());
    for (const auto& [name, tensor] : package.parameters)
      expect_equal(tensor, read.parameters.at(name));
    EXPECT_EQ(read.notes, package.notes);
    write_package(folder_ / "again", read);
    EXPECT_EQ(read_file(folder_ / "p"), read_file(folder_ / "again"));
  }

  TemporaryFolder folder_;
};

TEST_F(PackageFile, UniformWeightsAreLossless) { expect_lossless(small_package()); }

TEST_F(PackageFile, EveryBitWidthIsLossless) {
  for (int64_t bits = 0; bits <= 16; ++bits)
    for (bool is_signed : {false, true}) {
      Package package = small_package();
      UniformFormat format = uniform_format({0.5f}, {0}, bits, is_signed);
      package.weights[{package.graph.index_of("conv"), PointKind::Weight}] =
          random_encoding(format, {4, 2, 3, 3});

      expect_lossless(package);
    }
}

TEST_F(PackageFile, EveryPropertyOfAUniformFormatIsLossless) {
  Package package = small_package();
  UniformFormat format = uniform_format({0.1f, 0.2f, 0.3f, 0.4f}, {1, -3, 5, 7}, 3, false);
  format.step = 2;
  format.rounding = Rounding::HalfUp;
  encode(package, "conv", PointKind::Weight, random_encoding(format, {4, 2, 3, 3}));
  format.step = 1;
  format.rounding = Rounding::Floor;
  format.overflow = Overflow::Wrap;
  format.bits = torch::tensor({1, 2, 7, 16}, torch::kByte);
  encode(package, "conv", PointKind::Bias, random_encoding(format, {4}));

  expect_lossless(package);
}

TEST_F(PackageFile, AWidthForEachElementIsLossless) {
  Package package = small_package();
  UniformFormat format;
  format.granularity = Granularity::Element;
  format.scale = torch::exp2(torch::randint(-6, 0, {4, 2, 3, 3}).to(torch::kFloat));
  format.zero_point = torch::zeros({4, 2, 3, 3}, torch::kInt);
  format.bits = torch::randint(0, 9, {4, 2, 3, 3}, torch::kByte);
  format.is_signed = true;
  package.weights[{package.graph.index_of("conv"), PointKind::Weight}] =
      random_encoding(format, {4, 2, 3, 3});

  expect_lossless(package);
}

TEST_F(PackageFile, FixedPointNumbersOfTheirOwnWidthsTakeFewBits) {
  Package package = small_package();
  UniformFormat format;
  format.granularity = Granularity::Element;
  format.bits = torch::randint(0, 4, {3, 64}, torch::kByte);
  const Tensor powers = torch::exp2(torch::randint(-6, 1, {3, 64}).to(torch::kFloat));
  format.scale = torch::where(format.bits > 0, powers, torch::ones_like(powers));
  format.zero_point = torch::zeros({3, 64}, torch::kInt);
  format.is_signed = true;
  format.rounding = Rounding::HalfUp;
  const UniformEncoding encoding = random_encoding(format, {3, 64});
  package.weights[{package.graph.index_of("linear"), PointKind::Weight}] = encoding;

  expect_lossless(package);
  std::map<std::string, int64_t> numbers;
  for (const auto& [name, tensor] : read_safetensors(folder_ / "p").tensors)
    numbers[name] = tensor.numel();
  const auto bytes = [](int64_t bits) { return (bits + 7) / 8; };
  const int64_t used = (format.bits > 0).sum().item<int64_t>();
  EXPECT_EQ(numbers["scales"], 4 + 1 + 1);  // of the other sites
  EXPECT_EQ(numbers.count("bits"), 0u);
  // Two bits a width, three an exponent, then the codes; four bits each in the convolution.
  EXPECT_EQ(numbers["codes"], bytes(2 * 192) + bytes(3 * used) +
                                  bytes(format.bits.sum(torch::kLong).item<int64_t>()) +
                                  bytes(4 * 72));
}

TEST_F(PackageFile, CodebooksAreLossless) {
  Package package = small_package();
  CodebookFormat weights{torch::tensor({-1.f, -0.25f, 0.f, 0.25f, 1.f}), {}, BitWidth(3)};
  package.weights[{package.graph.index_of("conv"), PointKind::Weight}] =
      CodebookEncoding{weights, torch::randint(0, 5, {4, 2, 3, 3}, torch::kInt)};
  weights.levels = torch::rand({3, 4}).cumsum(1);
  package.weights[{package.graph.index_of("linear"), PointKind::Weight}] =
      CodebookEncoding{weights, torch::randint(0, 4, {3, 64}, torch::kInt)};
  package.activations[{package.graph.index_of("relu"), PointKind::Output}] =
      CodebookFormat{torch::tensor({0.f, 1.f, 3.f}), torch::tensor({0.5f, 2.f}), BitWidth(2)};

  expect_lossless(package);
}

TEST_F(PackageFile, MultiBitWeightsAreLossless) {
  Package package = small_package();
  MultiBitEncoding channels;
  channels.shape = {4, 2, 3, 3};
  channels.counts = torch::tensor({2, 0, 1, 3}, torch::kByte);
  channels.coefficients = torch::rand({6});
  channels.signs = torch::rand({6, 18}) < 0.5;
  package.weights[{package.graph.index_of("conv"), PointKind::Weight}] = channels;
  MultiBitEncoding slices;
  slices.grouping = Grouping::SubChannel;
  slices.parts = 4;
  slices.shape = {3, 64};
  slices.counts = torch::full({12}, 2, torch::kByte);
  slices.coefficients = torch::rand({24});
  slices.signs = torch::rand({24, 16}) < 0.5;
  package.weights[{package.graph.index_of("linear"), PointKind::Weight}] = slices;

  expect_lossless(package);
}

TEST_F(PackageFile, ActivationsAtInputsAndOfEachElementAreLossless) {
  Package package = small_package();
  UniformFormat format;
  format.granularity = Granularity::Element;
  format.scale = torch::rand({4, 1, 1}) + 0.1;
  format.zero_point = torch::tensor({0, 1, 2, 3}, torch::kInt).view({4, 1, 1});
  format.bits = torch::tensor({2, 4, 6, 8}, torch::kByte).view({4, 1, 1});
  package.activations[{package.graph.index_of("relu"), PointKind::Output}] = format;
  package.activations[{package.graph.index_of("linear"), PointKind::Input}] =
      uniform_format({0.25f}, {3}, 8, false);

  expect_lossless(package);
}

TEST_F(PackageFile, EveryPointOfAnAttentionNetworkIsLossless) {
  const Network network(build_model("gat2", {{7}, 3}));
  Package package;
  package.graph = network.graph();
  package.parameters = plain_parameters(network);
  const int attention = package.graph.index_of("conv1.attention");
  for (PointKind kind : {PointKind::Input, PointKind::Message, PointKind::AttentionLogit,
                         PointKind::AttentionVector, PointKind::Output})
    package.activations[{attention, kind}] = uniform_format({0.1f}, {0}, 8);

  expect_lossless(package);
}

TEST_F(PackageFile, EveryModelOfTheZooIsLosslessInFloat) {
  for (const std::string& name : models().names()) {
    const Network network(build_model(name, {small_input(name), 10}));
    Package package;
    package.graph = network.graph();
    package.parameters = plain_parameters(network);

    expect_lossless(package);
  }
}

TEST_F(PackageFile, AFloatEncodingComesBackAsAPlainParameter) {
  Package package = small_package();
  const Point point{package.graph.index_of("conv"), PointKind::Weight};
  const Tensor weight = torch::randn({4, 2, 3, 3});
  package.weights[point] = FloatEncoding{weight};

  const Package read = round_trip(package);

  EXPECT_EQ(read.weights.count(point), 0u);
  expect_equal(read.parameters.at("conv.weight"), weight);
}

TEST_F(PackageFile, ItsLengthIsReturnedAndItsCodesTakeTheirTrueWidth) {
  const uint64_t length = write_package(folder_ / "p", small_package());

  EXPECT_EQ(length, std::filesystem::file_size(folder_ / "p"));
  EXPECT_EQ(read_safetensors(folder_ / "p").at("codes").numel(), (72 + 192) / 2);
}

TEST_F(PackageFile, ResNet20AtFourBitsIsNotMuchLongerThanItsCodes) {
  const Network network(build_model("resnet20", {{3, 32, 32}, 10}));
  Package package;
  package.graph = network.graph();
  package.parameters = plain_parameters(network);
  int64_t weights = 0, scales = 0;
  for (int i = 0; i <= package.graph.output(); ++i) {
    const Node& node = package.graph.nodes[static_cast<size_t>(i)];
    const Tensor weight = network.parameter(i, "weight");
    if (std::holds_alternative<op::Relu>(node.operation))
      package.activations[{i, PointKind::Output}] = uniform_format({0.02f}, {0}, 4, false);
    if (std::holds_alternative<op::BatchNorm>(node.operation) || !weight.defined()) continue;
    const auto out = static_cast<size_t>(weight.size(0));
    encode(package, node.name, PointKind::Weight,
           random_encoding(
               uniform_format(std::vector<float>(out, 0.1f), std::vector<int32_t>(out, 0), 4),
               weight.sizes()));
    weights += weight.numel();
    scales += weight.size(0);
  }

  const uint64_t length = write_package(folder_ / "p", package);

  ASSERT_EQ(weights, 268336);
  const int64_t numbers = weights / 2 + 4 * (scales + 4 * 688 + 10 + 19);
  EXPECT_LT(static_cast<int64_t>(length) - numbers, 10000);
  RecordProperty("length", std::to_string(length));
  RecordProperty("header", std::to_string(static_cast<int64_t>(length) - numbers));
}

}  // namespace
}  // namespace quantbench
