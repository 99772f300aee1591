// Caffe models of this test's own making, field by field as the protocol buffer format has them.
#include "models/caffe_file.h"

#include "tests/base/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

std::string field(uint64_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

std::string floats(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}

std::string blob(const std::vector<uint64_t>& shape, const std::vector<float>& numbers) {
  std::string dims;
  for (uint64_t size : shape) dims += varint(size);
  return field(7, field(1, dims)) + field(5, floats(numbers));
}

std::string layer(const std::string& name, const std::string& type,
                  const std::vector<std::string>& blobs) {
  std::string out = field(1, name) + field(2, type);
  for (const std::string& each : blobs) out += field(7, each);
  return field(100, out);
}

std::string small_model() {
  return field(1, "net") + layer("data", "Input", {}) +
         layer("conv", "Convolution", {blob({2, 3, 1, 1}, {1, 2, 3, 4, 5, 6}), blob({2}, {7, 8})}) +
         layer("bn", "BatchNorm", {blob({2}, {2, 4}), blob({2}, {6, 8}), blob({1}, {2})}) +
         layer("scale", "Scale", {blob({2}, {0.5, 0.25}), blob({2}, {-1, -2})}) +
         layer("relu", "ReLU", {}) +
         layer("fc", "InnerProduct", {blob({1, 1, 2, 2}, {1, 2, 3, 4})});
}

TEST(CaffeModel, GivesItsLayersWeightsByPyTorchsNames) {
  const auto weights = parse_caffe_model(small_model(), "net.caffemodel");

  ASSERT_EQ(weights.size(), 7u);
  EXPECT_TRUE(torch::equal(weights.at("conv.weight"),
                           torch::tensor({3.f, 2.f, 1.f, 6.f, 5.f, 4.f}).view({2, 3, 1, 1})))
      << "red first";
  EXPECT_TRUE(torch::equal(weights.at("conv.bias"), torch::tensor({7.f, 8.f})));
  EXPECT_TRUE(torch::equal(weights.at("bn.running_mean"), torch::tensor({1.f, 2.f})));
  EXPECT_TRUE(torch::equal(weights.at("bn.running_var"), torch::tensor({3.f, 4.f})));
  EXPECT_TRUE(torch::equal(weights.at("scale.weight"), torch::tensor({0.5f, 0.25f})));
  EXPECT_TRUE(torch::equal(weights.at("scale.bias"), torch::tensor({-1.f, -2.f})));
  EXPECT_TRUE(
      torch::equal(weights.at("fc.weight"), torch::tensor({1.f, 2.f, 3.f, 4.f}).view({2, 2})));
}

TEST(CaffeModel, NumbersNeedNotBePackedNorShapesBeNew) {
  std::string old_shape;
  for (uint64_t number = 1; number <= 4; ++number)
    old_shape += varint(number << 3) + varint(number == 1 ? 2 : 1);
  std::string single;
  for (float value : {5.f, 6.f}) single += varint(5 << 3 | 5) + floats({value});

  const auto weights =
      parse_caffe_model(layer("c", "Convolution", {old_shape + single}), "net.caffemodel");

  EXPECT_TRUE(torch::equal(weights.at("c.weight"), torch::tensor({5.f, 6.f}).view({2, 1, 1, 1})));
}

TEST(CaffeModel, MistakesEndInASentence) {
  const auto sentence = [](const std::string& bytes) {
    return error_of([&] { parse_caffe_model(bytes, "net.caffemodel"); });
  };
  const std::string whole = small_model();
  EXPECT_THAT(sentence(whole.substr(0, whole.size() - 3)), HasSubstr("truncated"));
  EXPECT_THAT(sentence(""), HasSubstr("holds no weights"));
  EXPECT_THAT(sentence("no model at all"), HasSubstr("net.caffemodel"));
  EXPECT_THAT(sentence(field(2, "x")), HasSubstr("old format"));
  EXPECT_THAT(sentence(layer("c", "Convolution", {blob({2, 2}, {1, 2, 3})})),
              HasSubstr("wants 4 numbers; it holds 3"));
  EXPECT_THAT(sentence(layer("c", "Convolution", {blob({1u << 20, 1u << 20}, {1})})),
              HasSubstr("absurd"));
  EXPECT_THAT(sentence(layer("bn", "BatchNorm", {blob({1}, {1})})), HasSubstr("has 1 blobs"));
  EXPECT_THAT(sentence(layer("p", "PReLU", {blob({1}, {1})})), HasSubstr("PReLU"));
  EXPECT_THAT(
      sentence(layer("c", "Scale", {blob({1}, {1})}) + layer("c", "Scale", {blob({1}, {1})})),
      HasSubstr("two layers"));
}

}  // namespace
}  // namespace quantbench
