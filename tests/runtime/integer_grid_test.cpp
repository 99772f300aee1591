#include "runtime/integer_grid.h"

#include "tests/runtime/support.h"

namespace quantbench {
namespace {

UniformFormat element_format(std::vector<float> scale, std::vector<int> bits) {
  UniformFormat format;
  format.granularity = Granularity::Element;
  format.scale = torch::tensor(scale, torch::kFloat);
  format.zero_point = torch::zeros_like(format.scale, torch::kInt);
  format.bits = torch::tensor(bits, torch::kByte);
  format.is_signed = true;
  return format;
}

TEST(IntegerGrid, PlacesValuesSoThatTheScaleGivesThemBackBitForBit) {
  torch::manual_seed(1);
  const Tensor x = torch::randn({1000});
  for (int64_t bits = 1; bits <= 16; ++bits) {
    const UniformFormat format = uniform_format({0.0371f}, {3}, bits, false);

    const auto grid = IntegerGrid::of(format);

    ASSERT_TRUE(grid.has_value());
    EXPECT_TRUE(torch::equal(grid->place(x) * grid->scale(), apply(format, x))) << bits;
    EXPECT_LE(grid->place(x).abs().max().item<float>(), static_cast<float>(grid->largest()));
  }
}

TEST(IntegerGrid, JoinsScalesThatDifferByPowersOfTwo) {
  torch::manual_seed(1);
  const UniformFormat format = element_format({0.5f, 0.125f, 2.f, 9.f}, {4, 6, 3, 0});
  const Tensor x = 3 * torch::randn({100, 4});

  const auto grid = IntegerGrid::of(format);

  ASSERT_TRUE(grid.has_value());
  EXPECT_EQ(grid->scale(), 0.125f);
  EXPECT_EQ(grid->largest(), 64);  // -4 * 2 / 0.125
  EXPECT_TRUE(torch::equal(grid->place(x) * grid->scale(), apply(format, x)));
}

TEST(IntegerGrid, OtherScalesHaveNoCommonGrid) {
  EXPECT_FALSE(IntegerGrid::of(element_format({0.5f, 0.3f}, {4, 4})).has_value());
}

TEST(IntegerGrid, IntegersThatFloatsDoNotHoldAreNoGrid) {
  EXPECT_FALSE(IntegerGrid::of(element_format({1.f, 0x1p-20f}, {8, 8})).has_value());
}

TEST(IntegerGrid, WeightsKeepOneScaleForEachOutput) {
  UniformFormat format;
  format.granularity = Granularity::Element;
  format.scale = torch::tensor({{0.5f, 1.f}, {0.3f, 0.6f}});
  format.zero_point = torch::zeros({2, 2}, torch::kInt);
  format.bits = torch::full({2, 2}, 4, torch::kByte);
  format.is_signed = true;
  const UniformEncoding encoding{format, torch::tensor({{1, 2}, {-3, 4}}, torch::kInt)};

  const auto weight = integer_weight(encoding);

  ASSERT_TRUE(weight.has_value());
  EXPECT_TRUE(torch::equal(weight->integers, torch::tensor({{1, 4}, {-3, 8}}, torch::kInt)));
  EXPECT_TRUE(torch::equal(weight->scale, torch::tensor({0.5f, 0.3f})));
  EXPECT_EQ(weight->largest, 8);
  EXPECT_EQ(weight->largest_row_sum, 11);
}

}  // namespace
}  // namespace quantbench
