#include <gtest/gtest.h>

#include "base/error.h"
#include "methods/encoding.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

std::string complaint(const Encoding& encoding) {
  try {
    check(encoding, "conv1.weight");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

UniformEncoding good() {
  UniformFormat format = tensor_format(0.1, 0, 4);
  format.is_signed = true;
  return {format, codes({-8, 0, 7})};
}

// Breaks a good encoding and expects a sentence that starts with the site's name.
template <typename E, typename Break>
void expect_refused(E encoding, const Break& breaks) {
  ASSERT_EQ(complaint(encoding), "");

  breaks(encoding);

  EXPECT_EQ(complaint(encoding).rfind("conv1.weight: ", 0), 0u) << complaint(encoding);
}

TEST(Check, RefusesScalesThatAreNotFiniteAndPositive) {
  for (float bad : {0.0f, -1.0f, 1e-39f, std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::quiet_NaN()})
    expect_refused(good(), [&](UniformEncoding& e) { e.format.scale = values({bad}); });
}

TEST(Check, RefusesTensorsThatAreMissing) {
  expect_refused(good(), [](UniformEncoding& e) { e.format.scale = Tensor(); });
  expect_refused(good(), [](UniformEncoding& e) { e.format.zero_point = Tensor(); });
  expect_refused(good(), [](UniformEncoding& e) { e.format.bits = Tensor(); });
  expect_refused(good(), [](UniformEncoding& e) { e.codes = Tensor(); });
}

TEST(Check, RefusesWrongTypes) {
  expect_refused(good(), [](UniformEncoding& e) { e.codes = e.codes.to(torch::kInt64); });
  expect_refused(good(),
                 [](UniformEncoding& e) { e.format.scale = e.format.scale.to(torch::kFloat64); });
}

TEST(Check, RefusesShapesThatDisagree) {
  expect_refused(good(), [](UniformEncoding& e) { e.format.scale = torch::ones({2}); });
  expect_refused(good(), [](UniformEncoding& e) { e.format.granularity = Granularity::Element; });
  expect_refused(good(), [](UniformEncoding& e) {
    e.format.granularity = Granularity::Channel;
    e.format.scale = torch::ones({2});
    e.format.zero_point = torch::zeros({2}, torch::kInt32);
  });
}

TEST(Check, RefusesCodesOutOfRange) {
  expect_refused(good(), [](UniformEncoding& e) { e.codes = codes({8}); });
  expect_refused(good(), [](UniformEncoding& e) { e.codes = codes({-9}); });
  expect_refused(good(), [](UniformEncoding& e) { e.format.narrow = true; });
}

TEST(Check, RefusesBitWidthsBeyondSixteen) {
  expect_refused(good(),
                 [](UniformEncoding& e) { e.format.bits = torch::full({1}, 17, torch::kUInt8); });
}

TEST(Check, RefusesZeroPointsThatFloatCannotCarry) {
  expect_refused(good(), [](UniformEncoding& e) { e.format.zero_point = codes({1 << 20}); });
}

TEST(Check, RefusesContradictoryGrids) {
  expect_refused(good(), [](UniformEncoding& e) { e.format.step = 3; });
  expect_refused(good(), [](UniformEncoding& e) { e.format.step = 2; });
  expect_refused(good(), [](UniformEncoding& e) {
    e.codes = codes({0});
    e.format.narrow = true;
    e.format.overflow = Overflow::Wrap;
  });
}

TEST(Check, RefusesBadCodebooks) {
  const CodebookEncoding book{{values({-1.0f, 0.0f, 2.0f}), {}, BitWidth(2)}, codes({0, 2})};

  expect_refused(book, [](CodebookEncoding& e) { e.codes = codes({3}); });
  expect_refused(book, [](CodebookEncoding& e) { e.codes = codes({-1}); });
  expect_refused(book, [](CodebookEncoding& e) { e.format.bits = BitWidth(1); });
  expect_refused(book, [](CodebookEncoding& e) { e.format.levels = values({1.0f, 0.0f, 2.0f}); });
  expect_refused(book, [](CodebookEncoding& e) { e.format.levels = torch::empty({0}); });
  expect_refused(book, [](CodebookEncoding& e) { e.format.thresholds = values({0.0f}); });
}

MultiBitEncoding two_filters() {
  MultiBitEncoding e;
  e.shape = {2, 3};
  e.counts = torch::tensor({1, 2}, torch::kUInt8);
  e.coefficients = torch::ones({3});
  e.signs = torch::ones({3, 3}, torch::kBool);
  return e;
}

TEST(Check, RefusesBadMultiBitEncodings) {
  expect_refused(two_filters(), [](MultiBitEncoding& e) { e.shape = {2, 3, 1}; });
  expect_refused(two_filters(), [](MultiBitEncoding& e) { e.shape = {2, -3}; });
  expect_refused(two_filters(), [](MultiBitEncoding& e) {
    e.shape = {int64_t{1} << 40, int64_t{1} << 40};
  });
  expect_refused(two_filters(), [](MultiBitEncoding& e) {
    e.counts = torch::tensor({2, 2}, torch::kUInt8);
  });
  expect_refused(two_filters(), [](MultiBitEncoding& e) {
    e.counts = torch::tensor({1, 1, 1}, torch::kUInt8);
  });
  expect_refused(two_filters(), [](MultiBitEncoding& e) { e.signs = e.signs.slice(1, 0, 2); });
  expect_refused(two_filters(), [](MultiBitEncoding& e) {
    e.grouping = Grouping::SubChannel;
    e.parts = 2;
  });
  expect_refused(two_filters(), [](MultiBitEncoding& e) {
    e.grouping = Grouping::SubChannel;
    e.parts = 0;
  });
  expect_refused(two_filters(), [](MultiBitEncoding& e) {
    e.coefficients = torch::full({3}, std::numeric_limits<float>::infinity());
  });
}

TEST(Check, AcceptsEveryGroupingThatFits) {
  MultiBitEncoding e;
  e.shape = {2, 3, 1, 2};
  for (const auto& [grouping, groups] :
       {std::pair{Grouping::Channel, 2}, {Grouping::Kernel, 6}, {Grouping::Pixel, 4}}) {
    e.grouping = grouping;
    e.counts = torch::ones({groups}, torch::kUInt8);
    e.coefficients = torch::ones({groups});
    e.signs = torch::ones({groups, 12 / groups}, torch::kBool);

    EXPECT_EQ(complaint(e), "");
  }
}

}  // namespace
}  // namespace quantbench
