#include "methods/common/range.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

Range interval(float low, float high) {
  return {Granularity::Tensor, values({low}), values({high})};
}

TEST(UniformFormatOf, ASymmetricRangeHasNoZeroPointAndCoversTheLargerEnd) {
  const UniformFormat format =
      uniform_format(interval(-1.0f, 0.5f), BitWidth(8), Scheme::Symmetric);

  EXPECT_FLOAT_EQ(format.scale.item<float>(), 1.0f / 127);
  EXPECT_EQ(format.zero_point.item<int>(), 0);
  EXPECT_EQ(lowest_code(format).item<int>(), -127);
}

TEST(UniformFormatOf, AnAffineRangeHasZeroOnItsGrid) {
  const UniformFormat format = uniform_format(interval(-0.3f, 1.1f), BitWidth(4), Scheme::Affine);

  const Tensor zero = apply(format, values({0.0f}));

  EXPECT_EQ(zero.item<float>(), 0);
  EXPECT_FLOAT_EQ(format.scale.item<float>(), 1.4f / 15);
  EXPECT_EQ(format.zero_point.item<int>(), 3);
}

TEST(UniformFormatOf, ARangeThatStartsAtZeroIsPlainUnsigned) {
  const UniformFormat format = uniform_format(interval(0.0f, 6.0f), BitWidth(4), Scheme::Affine);

  EXPECT_EQ(format.zero_point.item<int>(), 0);
  EXPECT_FLOAT_EQ(format.scale.item<float>(), 0.4f);
  EXPECT_FALSE(format.is_signed);
}

TEST(UniformFormatOf, OneSymmetricBitIsBinary) {
  const UniformFormat format =
      uniform_format(interval(-0.7f, 0.7f), BitWidth(1), Scheme::Symmetric);

  EXPECT_TRUE(torch::equal(apply(format, values({-0.1f, 0.1f})), values({-0.7f, 0.7f})));
  EXPECT_NO_THROW(check(Format(format), "binary"));
}

TEST(UniformFormatOf, OneUnsignedBitIsZeroOrScale) {
  const UniformFormat format = uniform_format(interval(0.0f, 0.7f), BitWidth(1), Scheme::Affine);

  EXPECT_TRUE(torch::equal(apply(format, values({0.1f, 0.6f})), values({0.0f, 0.7f})));
}

TEST(UniformFormatOf, AnEmptyRangeIsAValidGrid) {
  for (Scheme scheme : {Scheme::Symmetric, Scheme::Affine}) {
    const UniformFormat format = uniform_format(interval(0, 0), BitWidth(8), scheme);

    EXPECT_NO_THROW(check(Format(format), "empty"));
    EXPECT_EQ(apply(format, values({0.0f})).item<float>(), 0);
  }
}

TEST(UniformFormatOf, RefusesBitWidthsItCannotHave) {
  EXPECT_THROW(uniform_format(interval(0, 1), BitWidth(0), Scheme::Affine), Error);
  EXPECT_THROW(uniform_format(interval(0, 1), BitWidth(17), Scheme::Affine), Error);
}

TEST(MinMax, FindsTheExtremesOfEveryLengthAndIncludesZero) {
  for (int64_t n : {1, 15, 16, 17, 1000, 40001}) {
    const Tensor x = random_tensor({n}, static_cast<uint64_t>(n)) + 1;

    const Range range = min_max(x, Granularity::Tensor);

    EXPECT_EQ(range.low.item<float>(), std::min(x.min().item<float>(), 0.0f));
    EXPECT_EQ(range.high.item<float>(), std::max(x.max().item<float>(), 0.0f));
  }
}

TEST(MinMax, WorksByChannelInEveryMemoryFormat) {
  const Tensor x = random_tensor({7, 5, 3, 3}, 3);
  const Tensor rows = x.view({7, -1});

  for (const Tensor& t : {x, channels_last(x), x.transpose(0, 1).contiguous().transpose(0, 1)}) {
    const Range range = min_max(t, Granularity::Channel);

    EXPECT_TRUE(torch::equal(range.low, rows.amin(1).clamp_max(0)));
    EXPECT_TRUE(torch::equal(range.high, rows.amax(1).clamp_min(0)));
  }
}

TEST(MinMax, OfBfloat16IsThatOfItsValues) {
  const Tensor x = channels_last(random_tensor({4, 24, 17, 9}, 4)).to(torch::kBFloat16);

  for (Granularity granularity : {Granularity::Tensor, Granularity::Channel}) {
    const Range range = min_max(x, granularity);
    const Range wide = min_max(x.to(torch::kFloat32), granularity);

    EXPECT_TRUE(torch::equal(range.low, wide.low));
    EXPECT_TRUE(torch::equal(range.high, wide.high));
  }
}

TEST(MinMax, PassesOverNan) {
  const Range range =
      min_max(values({std::numeric_limits<float>::quiet_NaN(), 2.0f, -1.0f}), Granularity::Tensor);

  EXPECT_EQ(range.low.item<float>(), -1);
  EXPECT_EQ(range.high.item<float>(), 2);
}

TEST(MeanMagnitude, IsTheBestScaleOfABinaryWeight) {
  const Tensor w = random_tensor({1, 200}, 5);
  auto error = [&](double scale) {
    return (w - scale * torch::sign(w)).square().sum().item<double>();
  };

  const double best = mean_magnitude(w, Granularity::Channel).high.item<double>();

  EXPECT_LT(error(best), error(best * 1.01));
  EXPECT_LT(error(best), error(best * 0.99));
}

}  // namespace
}  // namespace quantbench
