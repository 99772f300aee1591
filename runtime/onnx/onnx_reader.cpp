#include "runtime/onnx/onnx_reader.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 30;
constexpr int64_t kMostFields = 1 << 20;  // of a file, at any depth that is looked at
constexpr int64_t kLeastOpset = 10, kMostOpset = 25;
constexpr size_t kMostDimensions = 8;

// --- the bytes, before anything is allocated by them ---

// Counts the fields of a message and of those messages inside it that hold many: a file of a few
// megabytes must not unfold to gigabytes of empty objects. `inside`: which fields of a message of
// this kind are messages, by their number, and of what kind.
enum class Kind { Model, Graph, Node, Attribute, Leaf };

Kind kind_inside(Kind kind, uint64_t field) {
  if (kind == Kind::Model && field == 7) return Kind::Graph;
  if (kind == Kind::Graph && field == 1) return Kind::Node;
  if (kind == Kind::Node && field == 5) return Kind::Attribute;
  if (kind == Kind::Attribute && (field == 6 || field == 11)) return Kind::Graph;
  return Kind::Leaf;
}

class FieldCounter {
 public:
  explicit FieldCounter(std::string what) : what_(std::move(what)) {}

  void count(std::string_view bytes, Kind kind, int depth = 0) {
    require(depth < 32, "{} nests its graphs too deeply.", what_);
    size_t at = 0;
    while (at < bytes.size()) {
      require(++fields_ <= kMostFields, "{} has more than {} parts.", what_, kMostFields);
      const uint64_t key = varint(bytes, at);
      switch (key & 7) {
        case 0:
          varint(bytes, at);
          break;
        case 1:
          skip(bytes, at, 8);
          break;
        case 2: {
          const uint64_t length = varint(bytes, at);
          require(length <= bytes.size() - at, "{} is no ONNX model, or is truncated.", what_);
          const Kind inner = kind_inside(kind, key >> 3);
          if (inner != Kind::Leaf)
            count(bytes.substr(at, static_cast<size_t>(length)), inner, depth + 1);
          at += static_cast<size_t>(length);
          break;
        }
        case 5:
          skip(bytes, at, 4);
          break;
        default:
          fail("{} is no ONNX model, or is truncated.", what_);
      }
    }
  }

 private:
  uint64_t varint(std::string_view bytes, size_t& at) const {
    uint64_t out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      require(at < bytes.size(), "{} is no ONNX model, or is truncated.", what_);
      const auto byte = static_cast<uint8_t>(bytes[at++]);
      out |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return out;
    }
    fail("{} is no ONNX model, or is truncated.", what_);
  }
  void skip(std::string_view bytes, size_t& at, size_t count) const {
    require(count <= bytes.size() - at, "{} is no ONNX model, or is truncated.", what_);
    at += count;
  }

  std::string what_;
  int64_t fields_ = 0;
};

// --- tensors ---

struct Read {
  Tensor value;
  int64_t bits = 0;  // 4 or 16 where the type had so many
};

template <typename Stored, typename Repeated>
Tensor typed(const Repeated& data, torch::ScalarType type) {
  Tensor out = torch::empty({data.size()}, type);
  auto* to = out.data_ptr<Stored>();
  for (int i = 0; i < data.size(); ++i) to[i] = static_cast<Stored>(data.Get(i));
  return out;
}

// Two integers of 4 bits a byte, the first in the lower half.
Tensor unfolded(std::string_view bytes, int64_t count, bool is_signed) {
  Tensor out = torch::empty({count}, is_signed ? torch::kChar : torch::kByte);
  auto* to = static_cast<uint8_t*>(out.data_ptr());
  for (int64_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[static_cast<size_t>(i / 2)]);
    const uint8_t half = (byte >> (i % 2 * 4)) & 15;
    to[i] = is_signed && half > 7 ? static_cast<uint8_t>(half | 0xF0) : half;
  }
  return out;
}

Read read_tensor(const onnx::TensorProto& proto, const std::string& where) {
  require(proto.data_location() != onnx::TensorProto::EXTERNAL && proto.external_data_size() == 0,
          "{} lies in another file, and only the model itself is read: save it with all data "
          "inside.",
          where);
  require(static_cast<size_t>(proto.dims_size()) <= kMostDimensions, "{} has {} dimensions.", where,
          proto.dims_size());
  int64_t count = 1;
  std::vector<int64_t> shape;
  for (int64_t size : proto.dims()) {
    require(size >= 0 && (size == 0 || count <= kMostElements / size),
            "{} has an absurd shape: more than {} elements.", where, kMostElements);
    count *= size;
    shape.push_back(size);
  }
  constexpr int32_t kUint4 = 21, kInt4 = 22;
  const int32_t type = proto.data_type();
  static const std::map<int32_t, std::pair<torch::ScalarType, int64_t>> kTypes{
      {1, {torch::kFloat, 4}}, {2, {torch::kByte, 1}},   {3, {torch::kChar, 1}},
      {5, {torch::kShort, 2}}, {6, {torch::kInt, 4}},    {7, {torch::kLong, 8}},
      {9, {torch::kBool, 1}},  {11, {torch::kDouble, 8}}};
  const bool packed = type == kUint4 || type == kInt4;
  const bool unsigned16 = type == onnx::TensorProto::UINT16;
  const auto known = kTypes.find(type);
  require(packed || unsigned16 || known != kTypes.end(),
          "{} has elements of a type (number {}) that is not known here.", where, type);
  Read out;
  if (proto.has_raw_data()) {
    const std::string& raw = proto.raw_data();
    const int64_t bytes = packed       ? (count + 1) / 2
                          : unsigned16 ? count * 2
                                       : count * known->second.second;
    require(static_cast<int64_t>(raw.size()) == bytes,
            "{} holds {} bytes where its shape asks for {}.", where, raw.size(), bytes);
    if (packed) {
      out.value = unfolded(raw, count, type == kInt4);
    } else if (unsigned16) {
      out.value = torch::empty({count}, torch::kInt);
      for (int64_t i = 0; i < count; ++i) {
        uint16_t n = 0;
        std::memcpy(&n, raw.data() + 2 * i, 2);
        out.value.data_ptr<int32_t>()[i] = n;
      }
    } else {
      out.value = torch::empty({count}, known->second.first);
      if (count > 0) std::memcpy(out.value.data_ptr(), raw.data(), raw.size());
    }
  } else {
    const int stored = type == 1    ? proto.float_data_size()
                       : type == 7  ? proto.int64_data_size()
                       : type == 11 ? proto.double_data_size()
                                    : proto.int32_data_size();
    const int64_t wanted = packed ? (count + 1) / 2 : count;
    require(stored == wanted, "{} holds {} numbers where its shape asks for {}.", where, stored,
            wanted);
    switch (type) {
      case 1:
        out.value = typed<float>(proto.float_data(), torch::kFloat);
        break;
      case 7:
        out.value = typed<int64_t>(proto.int64_data(), torch::kLong);
        break;
      case 11:
        out.value = typed<double>(proto.double_data(), torch::kDouble);
        break;
      case 2:
        out.value = typed<uint8_t>(proto.int32_data(), torch::kByte);
        break;
      case 3:
        out.value = typed<int8_t>(proto.int32_data(), torch::kChar);
        break;
      case 9:
        out.value = typed<bool>(proto.int32_data(), torch::kBool);
        break;
      default:
        if (packed) {
          const Tensor bytes = typed<uint8_t>(proto.int32_data(), torch::kByte);
          out.value = unfolded(
              {static_cast<const char*>(bytes.data_ptr()), static_cast<size_t>(bytes.numel())},
              count, type == kInt4);
        } else {
          out.value = typed<int32_t>(proto.int32_data(), torch::kInt);
        }
    }
  }
  if (out.value.scalar_type() == torch::kShort) out.value = out.value.to(torch::kInt);
  out.value = out.value.reshape(shape);
  if (packed) out.bits = 4;
  if (unsigned16 || type == 5) out.bits = 16;
  return out;
}

ForeignNode read_node(const onnx::NodeProto& proto, const std::string& what) {
  ForeignNode out;
  out.operation = proto.op_type();
  out.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
  out.inputs.assign(proto.input().begin(), proto.input().end());
  out.outputs.assign(proto.output().begin(), proto.output().end());
  out.name = proto.name();
  if (out.name.empty() && !out.outputs.empty()) out.name = out.outputs[0];
  for (const onnx::AttributeProto& a : proto.attribute()) {
    switch (a.type()) {
      case onnx::AttributeProto::INT:
        out.integers[a.name()] = a.i();
        break;
      case onnx::AttributeProto::FLOAT:
        out.reals[a.name()] = a.f();
        break;
      case onnx::AttributeProto::STRING:
        out.texts[a.name()] = a.s();
        break;
      case onnx::AttributeProto::INTS:
        out.lists[a.name()] = {a.ints().begin(), a.ints().end()};
        break;
      case onnx::AttributeProto::TENSOR:
        out.tensors[a.name()] = read_tensor(a.t(), fmt::format("{}, node {}: the tensor '{}'", what,
                                                               out.name, a.name()))
                                    .value;
        break;
      default:
        fail("{}: node {} ({}) has an attribute '{}' of a kind that no package can hold.", what,
             out.name, out.operation, a.name());
    }
  }
  return out;
}

// Every node reads what is there before it.
void check_order(const ForeignModel& model, const std::string& what) {
  std::set<std::string> known{model.input, ""};
  for (const auto& [name, value] : model.constants) known.insert(name);
  for (const ForeignNode& node : model.nodes) {
    for (const std::string& input : node.inputs)
      require(known.count(input) > 0,
              "{}: node {} ({}) reads '{}', which no node before it gives: the nodes are out of "
              "order, or form a cycle.",
              what, node.name, node.operation, input);
    for (const std::string& output : node.outputs)
      require(output.empty() || known.insert(output).second,
              "{}: '{}' is given twice, the second time by node {} ({}).", what, output, node.name,
              node.operation);
  }
  require(known.count(model.output) > 0, "{}: no node gives the output '{}'.", what, model.output);
}

}  // namespace

int64_t ForeignNode::integer(const std::string& attribute, int64_t otherwise) const {
  const auto found = integers.find(attribute);
  return found == integers.end() ? otherwise : found->second;
}

float ForeignNode::number(const std::string& attribute, float otherwise) const {
  const auto found = reals.find(attribute);
  return found == reals.end() ? otherwise : found->second;
}

std::string ForeignNode::text(const std::string& attribute, const std::string& otherwise) const {
  const auto found = texts.find(attribute);
  return found == texts.end() ? otherwise : found->second;
}

std::vector<int64_t> ForeignNode::list(const std::string& attribute,
                                       std::vector<int64_t> otherwise) const {
  const auto found = lists.find(attribute);
  return found == lists.end() ? otherwise : found->second;
}

ForeignModel read_onnx(std::string_view bytes, const std::string& what) {
  require(!bytes.empty() && bytes.size() < INT32_MAX, "{} is no ONNX model: it has {} bytes.", what,
          bytes.size());
  FieldCounter(what).count(bytes, Kind::Model);
  onnx::ModelProto proto;
  require(proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
          "{} is no ONNX model, or is truncated.", what);
  require(proto.has_graph() && proto.graph().node_size() > 0, "{} has no graph.", what);
  const onnx::GraphProto& graph = proto.graph();
  ForeignModel out;
  out.name = graph.name();
  out.producer = proto.producer_name();
  for (const auto& import : proto.opset_import())
    if (import.domain().empty() || import.domain() == "ai.onnx") out.opset = import.version();
  require(out.opset >= kLeastOpset && out.opset <= kMostOpset,
          "{} uses version {} of ONNX's operators; {} to {} are known here.", what, out.opset,
          kLeastOpset, kMostOpset);
  require(graph.sparse_initializer_size() == 0 && proto.functions_size() == 0,
          "{} has sparse initializers or functions of its own, which no package can hold.", what);
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    Read read = read_tensor(tensor, fmt::format("{}: the initializer '{}'", what, tensor.name()));
    if (read.bits) out.bits[tensor.name()] = read.bits;
    if (tensor.data_type() == onnx::TensorProto::UINT16) out.unsigned16.insert(tensor.name());
    require(out.constants.emplace(tensor.name(), std::move(read.value)).second,
            "{} has two initializers '{}'.", what, tensor.name());
  }
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (out.constants.count(input.name())) continue;
    require(out.input.empty(), "{} has more than one input: '{}' and '{}'.", what, out.input,
            input.name());
    out.input = input.name();
    const auto& type = input.type().tensor_type();
    require(type.elem_type() == 1 && type.shape().dim_size() >= 2,
            "{}: the input '{}' is no float tensor [batch, ...] of known shape.", what, out.input);
    for (int i = 1; i < type.shape().dim_size(); ++i) {
      const int64_t size = type.shape().dim(i).dim_value();
      require(size > 0 && size <= kMostElements,
              "{}: the input '{}' has no fixed size in dimension {}.", what, out.input, i);
      out.input_shape.push_back(size);
    }
  }
  require(!out.input.empty() && graph.output_size() == 1,
          "{} must have one input and one output, the logits; it has {} outputs.", what,
          graph.output_size());
  out.output = graph.output(0).name();
  for (const onnx::NodeProto& node : graph.node()) out.nodes.push_back(read_node(node, what));
  check_order(out, what);
  return out;
}

}  // namespace quantbench
