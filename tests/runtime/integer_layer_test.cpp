#include "runtime/integer_layer.h"

#include "tests/runtime/support.h"

namespace quantbench {
namespace {

// What a convolution of integers is, word for word: [N, out, h, w] int64.
Tensor brute_force(const Tensor& x, const Tensor& w, const op::Conv2d& c) {
  const auto a = x.accessor<int32_t, 4>();
  const auto b = w.accessor<int32_t, 4>();
  const int64_t out_h = (x.size(2) + c.padding[0] + c.padding[2] - c.kernel[0]) / c.stride[0] + 1;
  const int64_t out_w = (x.size(3) + c.padding[1] + c.padding[3] - c.kernel[1]) / c.stride[1] + 1;
  Tensor out = torch::zeros({x.size(0), c.out, out_h, out_w}, torch::kLong);
  auto y = out.accessor<int64_t, 4>();
  const int64_t in_group = c.in / c.groups, out_group = c.out / c.groups;
  for (int64_t n = 0; n < x.size(0); ++n)
    for (int64_t o = 0; o < c.out; ++o)
      for (int64_t i = 0; i < out_h; ++i)
        for (int64_t j = 0; j < out_w; ++j)
          for (int64_t k = 0; k < in_group; ++k)
            for (int64_t u = 0; u < c.kernel[0]; ++u)
              for (int64_t v = 0; v < c.kernel[1]; ++v) {
                const int64_t row = i * c.stride[0] + u - c.padding[0];
                const int64_t column = j * c.stride[1] + v - c.padding[1];
                if (row < 0 || row >= x.size(2) || column < 0 || column >= x.size(3)) continue;
                y[n][o][i][j] +=
                    static_cast<int64_t>(a[n][o / out_group * in_group + k][row][column]) *
                    b[o][k][u][v];
              }
  return out;
}

struct Case {
  std::string name;
  op::Conv2d conv;
  UniformFormat input, weight;
};

UniformFormat with_step_two(UniformFormat format) {
  format.step = 2;
  return format;
}

std::vector<Case> cases() {
  const UniformFormat unsigned8 = uniform_format({0.02f}, {0}, 8, false);
  const UniformFormat affine8 = uniform_format({0.02f}, {131}, 8, false);
  const UniformFormat signed8 = uniform_format({0.03f}, {0}, 8);
  const UniformFormat channels =
      uniform_format({0.1f, 0.2f, 0.03f, 0.4f, 0.05f, 0.6f}, {1, 0, -3, 5, 7, -8}, 4);
  op::Conv2d plain{4, 6, {3, 3}};
  op::Conv2d padded{4, 6, {3, 3}, {1, 1}, {1, 1, 1, 1}};
  op::Conv2d strided{4, 6, {3, 3}, {2, 2}, {1, 1, 1, 1}};
  op::Conv2d uneven{4, 6, {3, 2}, {2, 1}, {0, 2, 1, 0}};
  op::Conv2d grouped{4, 6, {3, 3}, {1, 1}, {1, 1, 1, 1}, 2};
  op::Conv2d depthwise{6, 6, {3, 3}, {2, 2}, {1, 1, 1, 1}, 6, true};
  op::Conv2d pointwise{4, 6, {1, 1}, {2, 2}};
  std::vector<Case> list{
      {"Plain", plain, unsigned8, signed8},
      {"Padding", padded, unsigned8, channels},
      {"AffineInput", padded, affine8, channels},
      {"Stride", strided, affine8, signed8},
      {"UnevenKernelAndPadding", uneven, affine8, channels},
      {"Groups", grouped, affine8, channels},
      {"Depthwise", depthwise, affine8, channels},
      {"Pointwise", pointwise, unsigned8, channels},
      {"StepTwo", padded, unsigned8, with_step_two(uniform_format({0.25f}, {3}, 2, false))},
      {"Binary", padded, with_step_two(uniform_format({0.5f}, {1}, 1, false)),
       with_step_two(uniform_format({0.25f}, {1}, 1, false))}};
  for (int64_t bits : {1, 2, 3, 5, 7, 9, 11, 12, 13, 15, 16}) {
    list.push_back({"Bits" + std::to_string(bits), padded,
                    uniform_format({0.01f}, {0}, bits, false), uniform_format({0.01f}, {0}, bits)});
  }
  return list;
}

class IntegerConvolution : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto& [name, conv, input, weight] = GetParam();
    torch::manual_seed(7);
    codes_ = random_codes(input, {3, conv.in, 7, 6});
    weight_ =
        random_encoding(weight, {conv.out, conv.in / conv.groups, conv.kernel[0], conv.kernel[1]});
    bias_ = torch::randn({conv.out});
    const auto grid = IntegerGrid::of(input);
    IntegerLayer layer(conv, *integer_weight(weight_), bias_, grid->scale(), grid->largest());
    y_ = layer.forward(integers(input, codes_).to(torch::kFloat));
    narrow_ = layer.narrow();
  }

  Tensor codes_, bias_, y_;
  UniformEncoding weight_;
  bool narrow_ = false;
};

TEST_P(IntegerConvolution, IsTheBruteForceSumScaledAndRoundedOnce) {
  const auto& [name, conv, input, weight] = GetParam();
  const Tensor sum = brute_force(integers(input, codes_), integers(weight, weight_.codes), conv);

  const Tensor scale =
      input.scale.to(torch::kDouble) * weight.scale.to(torch::kDouble).view({1, -1, 1, 1});
  const Tensor expected =
      (sum.to(torch::kDouble) * scale + bias_.to(torch::kDouble).view({1, -1, 1, 1}))
          .to(torch::kFloat);

  EXPECT_TRUE(torch::equal(y_, expected));
}

TEST_P(IntegerConvolution, AgreesWithTheConvolutionOfTheRealNumbers) {
  const auto& [name, conv, input, weight] = GetParam();
  const Tensor x = dequantize(input, codes_).to(torch::kDouble);
  const Tensor w = decode(weight_).to(torch::kDouble);
  const auto [top, left, bottom, right] = conv.padding;

  const Tensor expected = torch::conv2d(
      torch::constant_pad_nd(x, {left, right, top, bottom}), w, bias_.to(torch::kDouble),
      conv.stride, torch::IntArrayRef{0, 0}, torch::IntArrayRef{1, 1}, conv.groups);

  const double largest = expected.abs().max().item<double>();
  EXPECT_LT((y_.to(torch::kDouble) - expected).abs().max().item<double>(), 1e-6 * largest + 1e-6);
}

TEST_P(IntegerConvolution, UsesSixteenBitOperandsOnlyWhereTheySuffice) {
  const auto& [name, conv, input, weight] = GetParam();
  const double bound = IntegerGrid::of(input)->largest() *
                       static_cast<double>(integer_weight(weight_)->largest_row_sum);

  EXPECT_FALSE(narrow_ && bound > 2147483647.0);
  EXPECT_TRUE(narrow_ || (name != "Padding" && name != "Bits7"));
}

INSTANTIATE_TEST_SUITE_P(All, IntegerConvolution, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(IntegerLinear, IsTheExactSumScaledAndRoundedOnce) {
  torch::manual_seed(9);
  const UniformFormat input = uniform_format({0.02f}, {7}, 8, false);
  for (int64_t bits : {2, 8, 16}) {
    const UniformEncoding weight = random_encoding(
        uniform_format({0.1f, 0.2f, 0.3f, 0.4f, 0.5f}, {0, 1, 2, 3, -1}, bits), {5, 70});
    const Tensor codes = random_codes(input, {9, 70});
    const Tensor bias = torch::randn({5});
    const auto grid = IntegerGrid::of(input);
    const IntegerLayer layer(op::Linear{70, 5}, *integer_weight(weight), bias, grid->scale(),
                             grid->largest());

    const Tensor y = layer.forward(integers(input, codes).to(torch::kFloat));

    const Tensor sum = integers(input, codes)
                           .to(torch::kLong)
                           .matmul(integers(weight.format, weight.codes).to(torch::kLong).t());
    const Tensor scale = input.scale.to(torch::kDouble) * weight.format.scale.to(torch::kDouble);
    const Tensor expected =
        (sum.to(torch::kDouble) * scale + bias.to(torch::kDouble)).to(torch::kFloat);
    EXPECT_TRUE(torch::equal(y, expected)) << bits;
  }
}

}  // namespace
}  // namespace quantbench
