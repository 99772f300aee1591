#include "runtime/packing.h"

#include "tests/runtime/support.h"

namespace quantbench {
namespace {

PackedLayout layout(std::vector<int> widths, std::vector<int32_t> lowest) {
  return {torch::tensor(widths, torch::kByte), torch::tensor(lowest, torch::kInt)};
}

Tensor values(std::vector<int32_t> list) { return torch::tensor(list, torch::kInt); }

TEST(Packing, PutsTheLowestBitFirst) {
  const std::string bytes = pack(values({1, 2, 7}), layout({3}, {0}));

  // 001, 010, 111 from the right: 1'1101'0001.
  EXPECT_EQ(bytes, std::string("\xd1\x01", 2));
}

TEST(Packing, StoresTheDistanceFromTheLowestCode) {
  EXPECT_EQ(pack(values({-8, 7}), layout({4}, {-8})), "\xf0");
}

TEST(Packing, EveryWidthComesBack) {
  torch::manual_seed(3);
  for (int width = 1; width <= 31; ++width) {
    const PackedLayout one = layout({width}, {0});
    const Tensor codes =
        torch::randint(0, int64_t{1} << width, {101}, torch::kLong).to(torch::kInt);

    const std::string bytes = pack(codes, one);

    EXPECT_EQ(bytes.size(), (101u * static_cast<unsigned>(width) + 7) / 8);
    EXPECT_TRUE(torch::equal(unpack(bytes, 101, one), codes)) << width;
  }
}

TEST(Packing, EachRunHasItsOwnWidth) {
  const PackedLayout mixed = layout({2, 0, 5}, {-2, 0, 0});
  const Tensor codes = values({-2, 1, 0, 0, 31, 16});

  const std::string bytes = pack(codes, mixed);

  EXPECT_EQ(bytes.size(), 2u);
  EXPECT_EQ(packed_size(6, mixed), 2u);
  EXPECT_TRUE(torch::equal(unpack(bytes, 6, mixed), codes));
}

TEST(Packing, ZeroBitsStoreNothing) {
  EXPECT_EQ(pack(values({0, 0, 0}), layout({0}, {0})), "");
  EXPECT_TRUE(torch::equal(unpack("", 3, layout({0}, {0})), values({0, 0, 0})));
}

TEST(Packing, RefusesAValueThatIsTooWide) {
  EXPECT_TRUE(contains(error_of([] { pack(values({8}), layout({3}, {0})); }), "does not fit"));
  EXPECT_TRUE(contains(error_of([] { pack(values({-9}), layout({4}, {-8})); }), "does not fit"));
  EXPECT_TRUE(contains(error_of([] { pack(values({1}), layout({0}, {0})); }), "does not fit"));
}

TEST(Packing, RefusesBitsBehindTheLastCode) {
  EXPECT_TRUE(contains(error_of([] { unpack("\x0f", 1, layout({3}, {0})); }), "belong to none"));
}

}  // namespace
}  // namespace quantbench
