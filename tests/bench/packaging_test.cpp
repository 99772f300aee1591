#include "bench/packaging.h"

#include <gtest/gtest.h>

#include "methods/method.h"
#include "models/model.h"

namespace quantbench {
namespace {

// A quantizer that lies about what it does.
struct Liar : Quantizer {
  Tensor forward(const Tensor& x, const TapContext&) override { return x * 1.5; }
  Format format() const override { return FloatFormat{}; }
  Encoding encode(const Tensor& weight) const override {
    UniformFormat format;
    format.scale = torch::full({1}, 0.01f);
    format.zero_point = torch::zeros({1}, torch::kInt);
    format.bits = torch::full({1}, 8, torch::kByte);
    format.is_signed = true;
    return UniformEncoding{format, quantize(format, weight)};
  }
  BitWidth bit_width() const override { return BitWidth(2); }
};

struct Lying : Method {
  void attach(Network& network) override {
    network.set_tap(weight_sites(network.graph())[0].point, std::make_shared<Liar>());
  }
};

TEST(Packaging, CatchesAQuantizerThatUsesMoreThanItsBitsOrOtherNumbers) {
  Network network(build_model("lenet5", {{1, 28, 28}, 10}));
  network.eval();
  Lying method;
  method.attach(network);

  const Packaged packaged = make_package(network, method);

  ASSERT_EQ(packaged.doubts.size(), 2u);
  EXPECT_NE(packaged.doubts[0].find("conv1.weight"), std::string::npos);
  EXPECT_NE(packaged.doubts[1].find("2 bits were asked for"), std::string::npos);
}

TEST(Packaging, CountsFp32Honestly) {
  Network network(build_model("lenet5", {{1, 28, 28}, 10}));
  network.eval();
  const auto fp32 = methods().get("fp32").make(OptionValues());

  const Packaged packaged = make_package(network, *fp32);

  EXPECT_EQ(packaged.weight_bits_average, 32);
  EXPECT_EQ(packaged.weight_code_bits, 430500 * 32);
  EXPECT_EQ(packaged.bops, packaged.macs * 32 * 32);
  EXPECT_TRUE(packaged.package.weights.empty());
  EXPECT_TRUE(packaged.doubts.empty());
}

}  // namespace
}  // namespace quantbench
