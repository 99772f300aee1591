#include "runtime/onnx/model_writer.h"

#include <onnx/onnx_pb.h>

#include "tests/runtime/support.h"

namespace quantbench {
namespace {

onnx::ModelProto parsed(const OnnxModelWriter& writer) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(writer.bytes()));
  return model;
}

TEST(OnnxModelWriter, WritesAConstantOnceAndNamesOnce) {
  OnnxModelWriter writer("net");
  const std::string a = writer.scalar("one", 1), b = writer.scalar("one", 1);
  const std::string c = writer.scalar("one", 2);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(writer.node("Add", {a, c}, "sum"), "sum");
  EXPECT_EQ(writer.node("Add", {a, c}, "sum"), "sum_2");
  EXPECT_EQ(parsed(writer).graph().initializer_size(), 2);
}

TEST(OnnxModelWriter, PacksTwoIntegersOfFourBitsAByteLowHalfFirst) {
  OnnxModelWriter writer("net");
  writer.packed_int4("w", torch::tensor({-8, 7, -1}, torch::kInt));
  const onnx::ModelProto model = parsed(writer);
  EXPECT_EQ(model.graph().initializer(0).raw_data(), std::string("\x78\x0f", 2));
  EXPECT_EQ(model.graph().initializer(0).dims(0), 3);
  EXPECT_EQ(model.opset_import(0).version(), 21);
  EXPECT_EQ(model.ir_version(), 10);
  EXPECT_TRUE(contains(error_of([&] { writer.packed_int4("w", torch::tensor({8})); }), "4 bits"));
}

TEST(OnnxModelWriter, TakesTheGreatestOperatorSetAskedFor) {
  OnnxModelWriter writer("net");
  EXPECT_EQ(parsed(writer).opset_import(0).version(), 13);
  writer.needs_opset(16);
  writer.needs_opset(14);
  EXPECT_EQ(parsed(writer).opset_import(0).version(), 16);
}

TEST(OnnxModelWriter, GivesTheSameBytesAgain) {
  const auto made = [] {
    OnnxModelWriter writer("net");
    writer.input("x", OnnxType::Float, {std::string("batch"), int64_t{3}});
    writer.output("y", OnnxType::Float, {std::string("batch"), int64_t{3}});
    writer.rename_output(writer.node("Relu", {"x"}, "r"), "y");
    writer.metadata("key", "value");
    return writer.bytes();
  };
  EXPECT_EQ(made(), made());
}

}  // namespace
}  // namespace quantbench
