#include "runtime/onnx/model_writer.h"

#include <onnx/onnx_pb.h>

#include <map>
#include <set>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr int64_t kLeastOpset = 13;
constexpr int32_t kInt4 = 22;  // TensorProto.DataType, younger than some libraries' enumeration

// The version of the file format that came with an operator set.
int64_t format_of(int64_t opset) {
  return opset <= 13 ? 7 : opset <= 18 ? 8 : opset <= 20 ? 9 : 10;
}

int32_t type_of(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat:
      return 1;
    case torch::kByte:
      return 2;
    case torch::kChar:
      return 3;
    case torch::kInt:
      return 6;
    case torch::kLong:
      return 7;
    case torch::kBool:
      return 9;
    case torch::kDouble:
      return 11;
    default:
      fail("ONNX files are given no tensors of type {} here.", torch::toString(type));
  }
}

void describe(onnx::ValueInfoProto& value, const std::string& name, OnnxType type,
              const std::vector<OnnxDimension>& shape) {
  value.set_name(name);
  auto* tensor = value.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(static_cast<int32_t>(type));
  for (const OnnxDimension& dimension : shape) {
    auto* written = tensor->mutable_shape()->add_dim();
    if (auto* size = std::get_if<int64_t>(&dimension))
      written->set_dim_value(*size);
    else
      written->set_dim_param(std::get<std::string>(dimension));
  }
}

}  // namespace

struct OnnxModelWriter::State {
  onnx::ModelProto model;
  int64_t opset = kLeastOpset;
  std::map<std::string, int64_t> domains;
  std::set<std::string> names;
  std::map<std::string, std::string> constants;  // by content

  onnx::GraphProto& graph() { return *model.mutable_graph(); }
};

OnnxModelWriter::OnnxModelWriter(const std::string& name) : state_(std::make_unique<State>()) {
  state_->graph().set_name(name);
  state_->model.set_producer_name("quantbench");
}

OnnxModelWriter::~OnnxModelWriter() = default;

void OnnxModelWriter::needs_opset(int64_t version) {
  state_->opset = std::max(state_->opset, version);
}

void OnnxModelWriter::uses_domain(const std::string& domain, int64_t version) {
  state_->domains[domain] = version;
}

void OnnxModelWriter::input(const std::string& name, OnnxType type,
                            const std::vector<OnnxDimension>& shape) {
  state_->names.insert(name);
  describe(*state_->graph().add_input(), name, type, shape);
}

void OnnxModelWriter::output(const std::string& name, OnnxType type,
                             const std::vector<OnnxDimension>& shape) {
  describe(*state_->graph().add_output(), name, type, shape);
}

void OnnxModelWriter::metadata(const std::string& key, const std::string& value) {
  auto* entry = state_->model.add_metadata_props();
  entry->set_key(key);
  entry->set_value(value);
}

std::string OnnxModelWriter::fresh(const std::string& wish) {
  std::string name = wish;
  for (int i = 2; !state_->names.insert(name).second; ++i) name = fmt::format("{}_{}", wish, i);
  return name;
}

std::string OnnxModelWriter::constant(const std::string& wish, const Tensor& value) {
  const Tensor held = value.contiguous();
  const std::string raw(static_cast<const char*>(held.data_ptr()), held.nbytes());
  std::string key = fmt::format("{} {} ", wish, type_of(held.scalar_type()));
  for (int64_t size : held.sizes()) key += fmt::format("{} ", size);
  const auto [known, is_new] = state_->constants.emplace(key + raw, "");
  if (!is_new) return known->second;
  known->second = fresh(wish);
  onnx::TensorProto& tensor = *state_->graph().add_initializer();
  tensor.set_name(known->second);
  tensor.set_data_type(type_of(held.scalar_type()));
  for (int64_t size : held.sizes()) tensor.add_dims(size);
  tensor.set_raw_data(raw);
  return known->second;
}

std::string OnnxModelWriter::scalar(const std::string& wish, float value) {
  return constant(wish, torch::full({}, value, torch::kFloat));
}

std::string OnnxModelWriter::packed_int4(const std::string& wish, const Tensor& value) {
  needs_opset(21);
  const Tensor flat = value.to(torch::kInt).contiguous().flatten();
  const int32_t* n = flat.data_ptr<int32_t>();
  std::string raw(static_cast<size_t>((flat.numel() + 1) / 2), '\0');
  for (int64_t i = 0; i < flat.numel(); ++i) {
    require(n[i] >= -8 && n[i] <= 7, "{} does not fit 4 bits.", n[i]);
    auto& byte = raw[static_cast<size_t>(i / 2)];
    byte = static_cast<char>(byte | ((n[i] & 15) << (i % 2 * 4)));
  }
  const std::string name = fresh(wish);
  onnx::TensorProto& tensor = *state_->graph().add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(kInt4);
  for (int64_t size : value.sizes()) tensor.add_dims(size);
  tensor.set_raw_data(raw);
  return name;
}

std::string OnnxModelWriter::node(const std::string& operation,
                                  const std::vector<std::string>& inputs, const std::string& wish,
                                  const std::vector<OnnxAttribute>& attributes,
                                  const std::string& domain) {
  onnx::NodeProto& node = *state_->graph().add_node();
  const std::string name = fresh(wish);
  node.set_op_type(operation);
  node.set_name(name);
  if (!domain.empty()) node.set_domain(domain);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(name);
  for (const OnnxAttribute& attribute : attributes) {
    onnx::AttributeProto& written = *node.add_attribute();
    written.set_name(attribute.name);
    if (auto* number = std::get_if<int64_t>(&attribute.value)) {
      written.set_type(onnx::AttributeProto::INT);
      written.set_i(*number);
    } else if (auto* real = std::get_if<float>(&attribute.value)) {
      written.set_type(onnx::AttributeProto::FLOAT);
      written.set_f(*real);
    } else if (auto* text = std::get_if<std::string>(&attribute.value)) {
      written.set_type(onnx::AttributeProto::STRING);
      written.set_s(*text);
    } else {
      written.set_type(onnx::AttributeProto::INTS);
      for (int64_t n : std::get<std::vector<int64_t>>(attribute.value)) written.add_ints(n);
    }
  }
  return name;
}

void OnnxModelWriter::rename_output(const std::string& from, const std::string& to) {
  for (onnx::NodeProto& node : *state_->graph().mutable_node()) {
    for (std::string& name : *node.mutable_output())
      if (name == from) name = to;
    for (std::string& name : *node.mutable_input())
      if (name == from) name = to;
  }
}

std::string OnnxModelWriter::bytes() const {
  onnx::ModelProto& model = state_->model;
  model.set_ir_version(format_of(state_->opset));
  model.clear_opset_import();
  auto* own = model.add_opset_import();
  own->set_domain("");
  own->set_version(state_->opset);
  for (const auto& [domain, version] : state_->domains) {
    auto* other = model.add_opset_import();
    other->set_domain(domain);
    other->set_version(version);
  }
  std::string out;
  require(model.SerializeToString(&out), "The ONNX file of {} would be longer than 2 GiB.",
          model.graph().name());
  return out;
}

}  // namespace quantbench
