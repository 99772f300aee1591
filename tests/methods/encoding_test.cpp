#include "methods/encoding.h"

#include <gtest/gtest.h>

#include "tests/methods/support.h"

namespace quantbench {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(UniformFormat, RoundsTiesToEven) {
  const UniformFormat format = tensor_format(1, 0, 4);

  const Tensor q = quantize(format, values({0.5f, 1.5f, 2.5f, 3.5f}));

  EXPECT_TRUE(torch::equal(q, codes({0, 2, 2, 4})));
}

TEST(UniformFormat, RoundsHalfUpWithoutRoundingTheSum) {
  UniformFormat format = tensor_format(1, 0, 4);
  format.is_signed = true;
  format.rounding = Rounding::HalfUp;

  const Tensor q = quantize(format, values({0.5f, -0.5f, -1.5f, 2.5f, 0.49999997f}));

  EXPECT_TRUE(torch::equal(q, codes({1, 0, -1, 3, 0})));
}

TEST(UniformFormat, FloorsTowardsMinusInfinity) {
  UniformFormat format = tensor_format(0.5, 0, 4);
  format.is_signed = true;
  format.rounding = Rounding::Floor;

  const Tensor q = quantize(format, values({0.9f, -0.1f, -1.0f}));

  EXPECT_TRUE(torch::equal(q, codes({1, -1, -2})));
}

TEST(UniformFormat, SaturatesInfinitiesAndMapsNanToTheCodeOfZero) {
  const UniformFormat format = tensor_format(0.1, 5, 4);

  const Tensor q = quantize(format, values({kInfinity, -kInfinity, 1e30f, kNaN}));

  EXPECT_TRUE(torch::equal(q, codes({15, 0, 15, 5})));
}

TEST(UniformFormat, WrapsModuloItsRange) {
  UniformFormat format = tensor_format(0.125, 0, 6);
  format.is_signed = true;
  format.overflow = Overflow::Wrap;

  const Tensor x = apply(format, values({4.0f, 4.125f, -4.125f, 3.875f}));

  EXPECT_TRUE(torch::equal(x, values({-4.0f, -3.875f, 3.875f, 3.875f})));
}

TEST(UniformFormat, OfOneBitAndStepTwoHasTheLevelsMinusAndPlusScale) {
  UniformFormat format = tensor_format(0.75, 1, 1);
  format.step = 2;

  const Tensor x = apply(format, values({-5.0f, -0.3f, 0.3f, 5.0f}));

  EXPECT_TRUE(torch::equal(x, values({-0.75f, -0.75f, 0.75f, 0.75f})));
}

TEST(UniformFormat, OfStepTwoPicksTheNearestLevel) {
  UniformFormat format = tensor_format(1.0 / 3, 3, 2);
  format.step = 2;

  const Tensor q = quantize(format, values({-1.0f, -0.4f, 0.1f, 0.6f, 0.9f}));

  EXPECT_TRUE(torch::equal(q, codes({0, 1, 2, 2, 3})));
}

TEST(UniformFormat, OfZeroBitsIsZero) {
  UniformFormat format = tensor_format(0.5, 0, 0);
  format.is_signed = true;

  const Tensor x = apply(format, values({-3.0f, 0.2f, 7.0f}));

  EXPECT_TRUE(torch::equal(x, torch::zeros({3})));
}

TEST(UniformFormat, LeavesOutTheLowestCodeWhenNarrow) {
  UniformFormat format = tensor_format(1, 0, 8);
  format.is_signed = format.narrow = true;

  const Tensor q = quantize(format, values({-1000.0f, 1000.0f}));

  EXPECT_TRUE(torch::equal(q, codes({-127, 127})));
}

TEST(UniformFormat, HasAScaleForEachChannelAndBitWidth) {
  UniformFormat format;
  format.granularity = Granularity::Channel;
  format.scale = values({1.0f, 0.5f});
  format.zero_point = codes({0, 0});
  format.bits = torch::tensor({2, 4}, torch::kUInt8);

  const Tensor x = apply(format, torch::full({2, 3, 1, 1}, 6.0f));

  EXPECT_TRUE(torch::equal(x[0], torch::full({3, 1, 1}, 3.0f)));
  EXPECT_TRUE(torch::equal(x[1], torch::full({3, 1, 1}, 6.0f)));
}

TEST(UniformFormat, PerElementBroadcastsOverTheSamples) {
  UniformFormat format;
  format.granularity = Granularity::Element;
  format.scale = values({1.0f, 0.25f});
  format.zero_point = codes({0, 0});
  format.bits = torch::full({1}, 8, torch::kUInt8);

  const Tensor x = apply(format, torch::full({3, 2}, 0.3f));

  EXPECT_TRUE(torch::equal(x, values({0.0f, 0.25f}).expand({3, 2})));
}

TEST(UniformFormat, KeepsTheMemoryFormat) {
  const Tensor x = channels_last(random_tensor({2, 3, 4, 5}, 1));

  const Tensor y = apply(tensor_format(0.1, 8, 4), x);

  EXPECT_EQ(y.strides(), x.strides());
}

TEST(UniformFormat, EveryCodeSurvivesTheWayToItsNumberAndBack) {
  for (int64_t bits : {1, 2, 4, 8, 16}) {
    for (double scale : {0.1, 3e-5, 7.7}) {
      UniformFormat format = tensor_format(scale, 0, bits);
      format.is_signed = bits > 1;
      const Tensor all = torch::arange(lowest_code(format).item<int>(),
                                       highest_code(format).item<int>() + 1, torch::kInt32);

      const Tensor back = quantize(format, dequantize(format, all));

      EXPECT_TRUE(torch::equal(back, all)) << bits << " bits, scale " << scale;
    }
  }
}

TEST(UniformFormat, AffineCodesSurviveToo) {
  const UniformFormat format = tensor_format(0.037, 201, 8);
  const Tensor all = torch::arange(0, 256, torch::kInt32);

  EXPECT_TRUE(torch::equal(quantize(format, dequantize(format, all)), all));
}

TEST(Apply, KeepsNan) {
  const Tensor y = apply(tensor_format(0.1, 5, 4), values({kNaN, 0.2f}));

  EXPECT_TRUE(std::isnan(y[0].item<float>()));
  EXPECT_FALSE(std::isnan(y[1].item<float>()));
}

TEST(CodebookFormat, CountsTheThresholdsStrictlyBelow) {
  const CodebookFormat format{values({-1.0f, 0.0f, 2.0f}), values({-0.5f, 1.0f}), BitWidth(2)};

  const Tensor q = quantize(format, values({-9.0f, -0.5f, 0.0f, 1.0f, 1.5f}));

  EXPECT_TRUE(torch::equal(q, codes({0, 0, 1, 1, 2})));
  EXPECT_TRUE(torch::equal(dequantize(format, q), values({-1.0f, -1.0f, 0.0f, 0.0f, 2.0f})));
}

TEST(CodebookFormat, MayHaveATableForEachChannel) {
  const CodebookEncoding encoding{{torch::tensor({{0.0f, 1.0f}, {2.0f, 3.0f}}), {}, BitWidth(1)},
                                  torch::tensor({{0, 1}, {1, 0}}, torch::kInt32)};

  const Tensor w = decode(encoding);

  EXPECT_TRUE(torch::equal(w, torch::tensor({{0.0f, 1.0f}, {3.0f, 2.0f}})));
}

TEST(CodebookFormat, WithoutThresholdsRefusesToQuantize) {
  const CodebookFormat format{values({0.0f, 1.0f}), {}, BitWidth(1)};

  EXPECT_THROW(quantize(format, values({0.3f})), Error);
}

// w[o, i, y, x] of a 2 x 3 x 1 x 2 weight whose group g is filled with the value g.
MultiBitEncoding numbered_groups(Grouping grouping, int64_t groups, int64_t parts = 1) {
  MultiBitEncoding e;
  e.grouping = grouping;
  e.parts = parts;
  e.shape = {2, 3, 1, 2};
  e.counts = torch::ones({groups}, torch::kUInt8);
  e.coefficients = torch::arange(groups).to(torch::kFloat32);
  e.signs = torch::ones({groups, 12 / groups}, torch::kBool);
  return e;
}

TEST(MultiBitEncoding, ChannelGroupsAreFilters) {
  const Tensor w = decode(numbered_groups(Grouping::Channel, 2));

  EXPECT_TRUE(torch::equal(w[0], torch::zeros({3, 1, 2})));
  EXPECT_TRUE(torch::equal(w[1], torch::ones({3, 1, 2})));
}

TEST(MultiBitEncoding, KernelGroupsAreSpatialSlices) {
  const Tensor w = decode(numbered_groups(Grouping::Kernel, 6));

  EXPECT_TRUE(torch::equal(w.select(3, 0).flatten(), torch::arange(6).to(torch::kFloat32)));
  EXPECT_TRUE(torch::equal(w.select(3, 1), w.select(3, 0)));
}

TEST(MultiBitEncoding, PixelGroupsRunOverTheInputs) {
  const Tensor w = decode(numbered_groups(Grouping::Pixel, 4));

  EXPECT_TRUE(torch::equal(w.select(1, 0).flatten(), torch::arange(4).to(torch::kFloat32)));
  EXPECT_TRUE(torch::equal(w.select(1, 2), w.select(1, 0)));
  EXPECT_TRUE(w.is_contiguous());
}

TEST(MultiBitEncoding, SubChannelGroupsAreSlicesOfARow) {
  const Tensor w = decode(numbered_groups(Grouping::SubChannel, 4, 2)).view({4, 3});

  EXPECT_TRUE(torch::equal(w.select(1, 2), torch::arange(4).to(torch::kFloat32)));
}

TEST(MultiBitEncoding, FindsTheBasesOfEveryGroupWhereThereAreMoreThanAByteCounts) {
  MultiBitEncoding e;
  e.grouping = Grouping::Channel;
  e.shape = {300, 1};
  e.counts = torch::ones({300}, torch::kUInt8);
  e.coefficients = torch::arange(300, torch::kFloat32);
  e.signs = torch::ones({300, 1}, torch::kBool);

  EXPECT_TRUE(torch::equal(decode(e).flatten(), e.coefficients));
}

TEST(MultiBitEncoding, SumsItsBasesInOrderAndMayHaveNone) {
  MultiBitEncoding e;
  e.shape = {2, 2};
  e.counts = torch::tensor({0, 3}, torch::kUInt8);
  e.coefficients = values({1.0f, 1e-8f, 1e-8f});
  e.signs = torch::tensor({1, 0, 1, 1, 1, 0}, torch::kBool).view({3, 2});

  const Tensor w = decode(e);

  EXPECT_TRUE(torch::equal(w[0], torch::zeros({2})));
  EXPECT_EQ(w[1][0].item<float>(), (1.0f + 1e-8f) + 1e-8f);
  EXPECT_EQ(w[1][1].item<float>(), (-1.0f + 1e-8f) - 1e-8f);
}

TEST(CodeBits, CountsCodesOnly) {
  UniformFormat per_channel = tensor_format(1, 0, 4);
  per_channel.granularity = Granularity::Channel;
  per_channel.scale = torch::ones({2});
  per_channel.zero_point = torch::zeros({2}, torch::kInt32);
  per_channel.bits = torch::tensor({2, 5}, torch::kUInt8);

  EXPECT_EQ(code_bits(FloatEncoding{torch::zeros({3, 2})}), 192);
  EXPECT_EQ(code_bits(UniformEncoding{per_channel, torch::zeros({2, 7}, torch::kInt32)}), 49);
  EXPECT_EQ(code_bits(CodebookEncoding{{values({0, 1, 2}), {}, BitWidth(2)},
                                       torch::zeros({5}, torch::kInt32)}),
            10);
  EXPECT_EQ(code_bits(numbered_groups(Grouping::Pixel, 4)), 12);
}

TEST(MeanBits, AveragesUnequalWidths) {
  UniformFormat format = tensor_format(1, 0, 4);
  format.bits = torch::tensor({2, 5}, torch::kUInt8);

  EXPECT_EQ(mean_bits(FloatFormat{}), 32);
  EXPECT_EQ(mean_bits(format), 3.5);
}

}  // namespace
}  // namespace quantbench
