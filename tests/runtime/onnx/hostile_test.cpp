// Files that are broken, or made to break a reader: one sentence each.
#include <onnx/onnx_pb.h>

#include "runtime/onnx/export.h"
#include "runtime/onnx/import.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

onnx::ModelProto valid() {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(to_onnx(small_package(), {})));
  return model;
}

std::string problem_of(const onnx::ModelProto& model) {
  return error_of([&] { from_onnx(model.SerializeAsString(), "it.onnx"); });
}

onnx::TensorProto& initializer_of(onnx::ModelProto& model, const std::string& part) {
  for (auto& tensor : *model.mutable_graph()->mutable_initializer())
    if (contains(tensor.name(), part)) return tensor;
  throw std::logic_error("no such initializer");
}

onnx::NodeProto& node_of(onnx::ModelProto& model, const std::string& operation) {
  for (auto& node : *model.mutable_graph()->mutable_node())
    if (node.op_type() == operation) return node;
  throw std::logic_error("no such node");
}

TEST(HostileOnnx, TruncatedAnywhereIsRefused) {
  const std::string whole = valid().SerializeAsString();
  for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 200)
    EXPECT_THROW(from_onnx(whole.substr(0, length), "it.onnx"), Error) << length;
  EXPECT_TRUE(contains(error_of([&] { from_onnx(whole.substr(0, whole.size() / 2), "it.onnx"); }),
                       "it.onnx is no ONNX model, or is truncated."));
}

TEST(HostileOnnx, ChangedBytesNeverEndInAnythingButAnError) {
  const std::string whole = valid().SerializeAsString();
  for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 500) {
    std::string turned = whole;
    turned[at] = static_cast<char>(turned[at] ^ 0x55);
    try {
      from_onnx(turned, "it.onnx");
    } catch (const Error&) {
    }
  }
}

TEST(HostileOnnx, CycleIsRefused) {
  onnx::ModelProto model = valid();
  onnx::NodeProto& conv = node_of(model, "Conv");
  conv.set_input(0, model.graph().node(model.graph().node_size() - 1).output(0));
  const std::string problem = problem_of(model);
  EXPECT_TRUE(contains(problem, "form a cycle")) << problem;
  EXPECT_TRUE(contains(problem, "(Conv) reads 'logits'")) << problem;
}

TEST(HostileOnnx, NodeWithoutOutputsIsNamed) {
  onnx::ModelProto model = valid();
  onnx::NodeProto& node = *model.mutable_graph()->add_node();
  node.set_op_type("Relu");
  node.add_input(model.graph().node(0).output(0));
  const std::string problem = problem_of(model);
  EXPECT_TRUE(contains(problem, "it has no output")) << problem;
}

TEST(HostileOnnx, HugeInitializerIsRefusedBeforeItIsMade) {
  onnx::ModelProto model = valid();
  onnx::TensorProto& weight = initializer_of(model, "conv.weight.packed");
  weight.set_dims(0, int64_t{1} << 40);
  EXPECT_TRUE(contains(problem_of(model), "absurd shape"));
  weight.clear_dims();
  for (int i = 0; i < 3; ++i) weight.add_dims(1000);
  weight.set_data_type(1);
  const std::string problem = problem_of(model);
  EXPECT_TRUE(contains(problem, "bytes where its shape asks for 4000000000")) << problem;
  weight.set_dims(0, -3);
  EXPECT_TRUE(contains(problem_of(model), "absurd shape"));
}

TEST(HostileOnnx, DataOutsideTheFileIsNotRead) {
  onnx::ModelProto model = valid();
  onnx::TensorProto& weight = initializer_of(model, "conv.weight.packed");
  weight.clear_raw_data();
  weight.set_data_location(onnx::TensorProto::EXTERNAL);
  auto* where = weight.add_external_data();
  where->set_key("location");
  where->set_value("../../etc/passwd");
  const std::string problem = problem_of(model);
  EXPECT_TRUE(contains(problem, "lies in another file")) << problem;
}

TEST(HostileOnnx, ManyEmptyPartsAreCountedBeforeTheyAreMade) {
  // Two bytes a node: 8 MB of them would unfold to gigabytes.
  std::string nodes;
  for (int i = 0; i < 3 << 20; ++i) nodes += std::string("\x0a\x00", 2);
  onnx::ModelProto model;
  model.mutable_graph()->mutable_unknown_fields()->Clear();
  std::string bytes = "\x3a";  // field 7, a message
  for (size_t length = nodes.size();; length >>= 7) {
    bytes += static_cast<char>((length & 127) | (length > 127 ? 128 : 0));
    if (length <= 127) break;
  }
  EXPECT_TRUE(contains(error_of([&] { from_onnx(bytes + nodes, "it.onnx"); }), "more than"));
}

TEST(HostileOnnx, GraphsWithinGraphsWithinGraphsAreRefused) {
  onnx::ModelProto model = valid();
  onnx::GraphProto* graph = model.mutable_graph();
  for (int i = 0; i < 40; ++i) {
    auto* attribute = graph->add_node()->add_attribute();
    attribute->set_type(onnx::AttributeProto::GRAPH);
    graph = attribute->mutable_g();
  }
  EXPECT_TRUE(contains(problem_of(model), "nests"));
}

TEST(HostileOnnx, BadScalesAndAxesAreNamed) {
  onnx::ModelProto zero = valid();
  onnx::TensorProto& scale = initializer_of(zero, "input.scale");
  const float nothing = 0;
  scale.set_raw_data(std::string(reinterpret_cast<const char*>(&nothing), 4));
  EXPECT_TRUE(contains(problem_of(zero), "its scale is not positive"));

  onnx::ModelProto axis = valid();
  for (auto& attribute : *node_of(axis, "DequantizeLinear").mutable_attribute())
    if (attribute.name() == "axis") attribute.set_i(3);
  for (auto& node : *axis.mutable_graph()->mutable_node())
    for (auto& attribute : *node.mutable_attribute())
      if (attribute.name() == "axis" && node.op_type() == "DequantizeLinear") attribute.set_i(3);
  EXPECT_TRUE(contains(problem_of(axis), "axis"));
}

TEST(HostileOnnx, OperatorsAndShapesThatNoPackageHasAreNamed) {
  onnx::ModelProto model = valid();
  node_of(model, "MaxPool").set_op_type("Softmax");
  EXPECT_TRUE(contains(problem_of(model), "(Softmax) cannot be taken"));
  onnx::ModelProto loose = valid();
  loose.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(2)
      ->set_dim_param("any");
  EXPECT_TRUE(contains(problem_of(loose), "no fixed size"));
  onnx::ModelProto old = valid();
  old.mutable_opset_import(0)->set_version(99);
  EXPECT_TRUE(contains(problem_of(old), "version 99"));
}

}  // namespace
}  // namespace quantbench
