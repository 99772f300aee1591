#include "runtime/onnx/import.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/sha256.h"
#include "runtime/onnx/onnx_reader.h"
#include "runtime/package_check.h"

namespace quantbench {
namespace {

constexpr int kMostBits = 16;  // of a code that a package stores
constexpr size_t kMostNodes = 4096;

// A constant that went through DequantizeLinear.
struct QuantizedConstant {
  Tensor codes;              // any integer type
  Tensor scale, zero_point;  // float32 and int32: [] or [channels]
  int64_t axis = 0, bits = 8;
  bool is_signed = true;

  Tensor real() const {
    std::vector<int64_t> shape(static_cast<size_t>(codes.dim()), 1);
    if (scale.numel() > 1) shape[static_cast<size_t>(axis)] = scale.numel();
    const Tensor by = scale.numel() > 1 ? scale.reshape(shape) : scale.reshape({});
    const Tensor at = scale.numel() > 1 ? zero_point.reshape(shape) : zero_point.reshape({});
    return (codes.to(torch::kInt) - at).to(torch::kFloat) * by;
  }
};

// What a name of the file stands for: the output of a node of our graph.
struct Value {
  int node = 0;
  bool exclusive = true;  // nobody else reads the node's plain output
};

// Its codes, after QuantizeLinear.
struct QuantizedValue {
  Value value;
  UniformFormat format;
};

bool same_format(const UniformFormat& a, const UniformFormat& b) {
  return a.is_signed == b.is_signed && a.narrow == b.narrow && torch::equal(a.bits, b.bits) &&
         torch::equal(a.scale, b.scale) && torch::equal(a.zero_point, b.zero_point);
}

class Importer {
 public:
  Importer(const ForeignModel& model, std::string what) : model_(model), what_(std::move(what)) {
    require(model.nodes.size() <= kMostNodes, "{} has {} nodes; up to {} are taken.", what_,
            model.nodes.size(), kMostNodes);
    for (const ForeignNode& node : model.nodes)
      for (const std::string& input : node.inputs) ++uses_[input];
    ++uses_[model.output];
    Graph& graph = package_.graph;
    graph.name = model.name.empty() ? "imported" : model.name;
    graph.input_shape = model.input_shape;
    graph.nodes.push_back({"input", "input", op::Input{}, {}, ""});
    names_.insert("input");
    shapes_.push_back(model.input_shape);
    values_[model.input] = {0, uses_[model.input] == 1};
  }

  Package package() && {
    for (const ForeignNode& node : model_.nodes) take(node);
    const Value* logits = value_at(model_.output);
    require(logits != nullptr, "{}: the output '{}' is no float value.", what_, model_.output);
    Graph& graph = package_.graph;
    require(logits->node == graph.output(), "{}: the output '{}' is not what its last node gives.",
            what_, model_.output);
    require(shapes_.back().size() == 1, "{}: the output '{}' is no row of logits.", what_,
            model_.output);
    graph.class_count = shapes_.back()[0];
    check(package_, what_);
    return std::move(package_);
  }

 private:
  // --- errors ---

  template <typename... Args>
  void need(bool condition, const ForeignNode& node, fmt::format_string<Args...> why,
            Args&&... args) const {
    if (!condition)
      fail("{}: node {} ({}) cannot be taken: {}.", what_, node.name, node.operation,
           fmt::format(why, std::forward<Args>(args)...));
  }

  // --- what names stand for ---

  const Value* value_at(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
  }

  const Value& value_of(const ForeignNode& node, size_t port) const {
    const Value* value = port < node.inputs.size() ? value_at(node.inputs[port]) : nullptr;
    need(value != nullptr, node, "its input {} is no float value that the network computes", port);
    return *value;
  }

  const Tensor* constant_at(const ForeignNode& node, size_t port) const {
    if (port >= node.inputs.size()) return nullptr;
    const auto own = computed_.find(node.inputs[port]);
    if (own != computed_.end()) return &own->second;
    const auto found = model_.constants.find(node.inputs[port]);
    return found == model_.constants.end() ? nullptr : &found->second;
  }

  bool given(const ForeignNode& node, size_t port) const {
    return port < node.inputs.size() && !node.inputs[port].empty();
  }

  // A float constant, dequantized where it has to be.
  std::optional<Tensor> real_constant(const ForeignNode& node, size_t port) const {
    if (port >= node.inputs.size()) return std::nullopt;
    const auto quantized = quantized_constants_.find(node.inputs[port]);
    if (quantized != quantized_constants_.end()) return quantized->second.real();
    const Tensor* plain = constant_at(node, port);
    if (plain && plain->is_floating_point()) return plain->to(torch::kFloat);
    return std::nullopt;
  }

  std::vector<int64_t> whole_numbers(const ForeignNode& node, size_t port, const char* what) const {
    const Tensor* value = constant_at(node, port);
    need(value != nullptr && !value->is_floating_point() && value->numel() <= 16, node,
         "its {} are no constant", what);
    const Tensor flat = value->to(torch::kLong).flatten().contiguous();
    return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
  }

  // --- our graph ---

  const Node& node_at(int i) const { return package_.graph.nodes[static_cast<size_t>(i)]; }
  const std::vector<int64_t>& shape(const Value& v) const {
    return shapes_[static_cast<size_t>(v.node)];
  }

  int add(const ForeignNode& from, Operation operation, std::vector<int> inputs) {
    std::string name = from.name.empty() ? "node" : from.name;
    std::string free = name;
    for (int i = 2; !names_.insert(free).second; ++i) free = fmt::format("{}_{}", name, i);
    Graph& graph = package_.graph;
    graph.nodes.push_back({free, free, std::move(operation), std::move(inputs), ""});
    try {
      shapes_ = infer_shapes(graph);
    } catch (const Error& problem) {
      fail("{}: node {} ({}) cannot be taken: {}", what_, from.name, from.operation,
           problem.what());
    }
    return graph.output();
  }

  void parameter(int node, const char* name, const Tensor& value) {
    package_.parameters[node_at(node).scope + "." + name] =
        value.to(torch::kFloat).contiguous().clone();
  }

  void give(const ForeignNode& node, int ours, bool exclusive = true) {
    need(!node.outputs.empty(), node, "it has no output");
    values_[node.outputs[0]] = {ours, exclusive && uses_[node.outputs[0]] == 1};
  }

  // The format of a node's value, where it is known: its own, or that of what it moves.
  std::optional<UniformFormat> grid_of(int i) const {
    const auto own = package_.activations.find({i, PointKind::Output});
    if (own != package_.activations.end()) return std::get<UniformFormat>(own->second);
    const Node& node = node_at(i);
    const bool moves = std::holds_alternative<op::MaxPool>(node.operation) ||
                       std::holds_alternative<op::Flatten>(node.operation) ||
                       std::holds_alternative<op::PadShortcut>(node.operation) ||
                       std::holds_alternative<op::Concat>(node.operation);
    if (!moves) return std::nullopt;
    std::optional<UniformFormat> all;
    for (int input : node.inputs) {
      const auto one = grid_of(input);
      if (!one || (all && !same_format(*all, *one))) return std::nullopt;
      all = one;
    }
    return all;
  }

  // --- operations ---

  void take(const ForeignNode& node) {
    need(node.domain.empty(), node, "its domain '{}' is none of ONNX's own", node.domain);
    need(node.outputs.size() == 1 || std::all_of(node.outputs.begin() + 1, node.outputs.end(),
                                                 [](const auto& o) { return o.empty(); }),
         node, "it has several outputs");
    using Handler = void (Importer::*)(const ForeignNode&);
    static const std::map<std::string, Handler> kHandlers{
        {"QuantizeLinear", &Importer::quantize_linear},
        {"DequantizeLinear", &Importer::dequantize_linear},
        {"Clip", &Importer::clip},
        {"Conv", &Importer::conv},
        {"Gemm", &Importer::gemm},
        {"MatMul", &Importer::mat_mul},
        {"Add", &Importer::add_node},
        {"Concat", &Importer::concat},
        {"Relu", &Importer::relu},
        {"Elu", &Importer::elu},
        {"BatchNormalization", &Importer::batch_norm},
        {"MaxPool", &Importer::max_pool},
        {"AveragePool", &Importer::average_pool},
        {"GlobalAveragePool", &Importer::global_average_pool},
        {"ReduceMean", &Importer::reduce_mean},
        {"Flatten", &Importer::flatten},
        {"Reshape", &Importer::flatten},
        {"Squeeze", &Importer::squeeze},
        {"Identity", &Importer::pass},
        {"Dropout", &Importer::pass},
        {"Cast", &Importer::cast},
        {"Mul", &Importer::mul},
        {"Slice", &Importer::slice},
        {"Pad", &Importer::pad},
        {"Constant", &Importer::constant},
    };
    const auto handler = kHandlers.find(node.operation);
    need(handler != kHandlers.end(), node, "a package has no such operation");
    (this->*handler->second)(node);
  }

  void constant(const ForeignNode& node) {
    const auto value = node.tensors.find("value");
    need(value != node.tensors.end(), node, "it holds no tensor");
    computed_[node.outputs[0]] = value->second;
  }

  void pass(const ForeignNode& node) {
    const auto quantized = quantized_.find(node.inputs.empty() ? "" : node.inputs[0]);
    if (quantized != quantized_.end()) {
      quantized_[node.outputs[0]] = quantized->second;
      return;
    }
    const Value value = value_of(node, 0);
    give(node, value.node, value.exclusive);
  }

  // Of packed integers only, to integers of 8 bits.
  void cast(const ForeignNode& node) {
    const Tensor* from = constant_at(node, 0);
    const int64_t to = node.integer("to", 0);
    need(from != nullptr && !from->is_floating_point() && (to == 2 || to == 3 || to == 6), node,
         "only constants are cast, to int8, uint8 or int32");
    computed_[node.outputs[0]] = from->to(to == 2   ? torch::kByte
                                          : to == 3 ? torch::kChar
                                                    : torch::kInt);
  }

  // Of integers that are constants, by one number.
  void mul(const ForeignNode& node) {
    const Tensor *a = constant_at(node, 0), *b = constant_at(node, 1);
    need(a && b && a->scalar_type() == torch::kInt && b->scalar_type() == torch::kInt &&
             b->numel() == 1,
         node, "only integer constants are multiplied, by one number");
    computed_[node.outputs[0]] = *a * *b;
  }

  bool is_unsigned(const std::string& name) const { return model_.unsigned16.count(name) > 0; }

  struct Step {
    Tensor scale, zero_point;
    int64_t bits = 8;
    bool is_signed = false;
  };

  // Scale and zero point of a QuantizeLinear or DequantizeLinear whose codes are `codes` (null:
  // what it makes).
  Step step_of(const ForeignNode& node, const Tensor* codes, int64_t packed_bits) const {
    Step out;
    const Tensor* scale = constant_at(node, 1);
    need(scale != nullptr && scale->scalar_type() == torch::kFloat && scale->numel() > 0 &&
             scale->dim() <= 1,
         node, "its scale is no constant");
    need(node.integer("block_size", 0) == 0, node, "its scales are by blocks");
    out.scale = *scale;
    torch::ScalarType type = codes ? codes->scalar_type() : torch::kByte;
    int64_t bits = packed_bits;
    if (given(node, 2)) {
      const Tensor* zero_point = constant_at(node, 2);
      need(zero_point != nullptr && !zero_point->is_floating_point() &&
               zero_point->numel() == scale->numel(),
           node, "its zero point is no constant of the scale's shape");
      const auto known = model_.bits.find(node.inputs[2]);
      if (known != model_.bits.end()) bits = known->second;
      type = zero_point->scalar_type();
      out.zero_point = zero_point->to(torch::kInt);
    } else {
      out.zero_point = torch::zeros_like(out.scale, torch::kInt);
      const int64_t asked = node.integer("output_dtype", 0);
      need(codes != nullptr || asked == 0 || asked == 2 || asked == 3, node,
           "it makes codes of a type (number {}) that is not known here", asked);
      if (!codes && asked == 3) type = torch::kChar;
    }
    need(type == torch::kByte || type == torch::kChar || type == torch::kInt, node,
         "its codes are of a type that is not known here");
    out.is_signed = type != torch::kByte && !(given(node, 2) && is_unsigned(node.inputs[2]));
    out.bits = bits ? bits : 8;
    const Tensor finite = torch::isfinite(out.scale) & (out.scale > 0);
    need(finite.all().item<bool>(), node, "its scale is not positive");
    return out;
  }

  void quantize_linear(const ForeignNode& node) {
    const Value value = value_of(node, 0);
    const Step step = step_of(node, nullptr, 0);
    need(step.scale.numel() == 1, node, "a value has one scale here, not one a channel");
    QuantizedValue out;
    out.value = value;
    out.format.scale = step.scale.reshape({1});
    out.format.zero_point = step.zero_point.reshape({1});
    out.format.bits = torch::full({1}, step.bits, torch::kByte);
    out.format.is_signed = step.is_signed;
    quantized_[node.outputs[0]] = out;
  }

  // The node's value on a format: at its output where nobody sees the numbers in front of it.
  Value formatted(const ForeignNode& node, const QuantizedValue& from) {
    const auto grid = grid_of(from.value.node);
    if (grid && same_format(*grid, from.format)) return from.value;
    int at = from.value.node;
    const Point point{at, PointKind::Output};
    if (!from.value.exclusive || package_.activations.count(point) > 0)
      at = add(node, op::Dropout{}, {at});
    package_.activations[{at, PointKind::Output}] = from.format;
    return {at, true};
  }

  void dequantize_linear(const ForeignNode& node) {
    const auto quantized = quantized_.find(node.inputs.empty() ? "" : node.inputs[0]);
    if (quantized != quantized_.end()) {
      const UniformFormat& format = quantized->second.format;
      const Step step = step_of(node, nullptr, format.bits.item<uint8_t>());
      need(step.scale.numel() == 1 &&
               torch::equal(step.scale.reshape({1}), unclipped_scale(quantized->second)) &&
               torch::equal(step.zero_point.reshape({1}), unclipped_zero(quantized->second)),
           node, "it reads codes by another scale or zero point than they were made by");
      give(node, formatted(node, quantized->second).node, true);
      return;
    }
    const Tensor* codes = constant_at(node, 0);
    need(codes != nullptr && !codes->is_floating_point(), node,
         "its input is neither a constant nor quantized before it");
    const auto packed = model_.bits.find(node.inputs[0]);
    const Step step = step_of(node, codes, packed == model_.bits.end() ? 0 : packed->second);
    QuantizedConstant out;
    out.codes = *codes;
    out.scale = step.scale;
    out.zero_point = step.zero_point;
    out.bits = step.bits;
    out.is_signed = codes->scalar_type() != torch::kByte && !is_unsigned(node.inputs[0]);
    out.axis = node.integer("axis", 1);
    if (out.axis < 0) out.axis += codes->dim();
    if (out.scale.numel() > 1)
      need(out.axis >= 0 && out.axis < codes->dim() && codes->size(out.axis) == out.scale.numel(),
           node, "its scales do not fit its axis");
    quantized_constants_[node.outputs[0]] = std::move(out);
  }

  // What QuantizeLinear had before a Clip narrowed its codes.
  Tensor unclipped_scale(const QuantizedValue& q) const { return q.format.scale; }
  Tensor unclipped_zero(const QuantizedValue& q) const {
    const auto moved = moved_zero_.find(q.value.node);
    return moved == moved_zero_.end() ? q.format.zero_point : moved->second;
  }

  void clip(const ForeignNode& node) {
    const auto quantized = quantized_.find(node.inputs.empty() ? "" : node.inputs[0]);
    if (quantized != quantized_.end()) return clip_codes(node, quantized->second);
    // ReLU, ReLU6.
    double low = node.number("min", -INFINITY), high = node.number("max", INFINITY);
    const auto bound = [&](size_t port, double& to) {
      if (!given(node, port)) return;
      const auto at = real_constant(node, port);
      need(at && at->numel() == 1, node, "its bounds are no constants");
      to = at->item<float>();
    };
    bound(1, low);
    bound(2, high);
    need(low == 0 && high > 0, node, "its bounds {} and {} are those of no ReLU", low, high);
    give(node, add(node, op::Relu{std::isinf(high) ? 0 : high}, {value_of(node, 0).node}));
  }

  // Codes of fewer bits, or a ReLU on codes.
  void clip_codes(const ForeignNode& node, QuantizedValue value) {
    UniformFormat& format = value.format;
    const int64_t bits = format.bits.item<uint8_t>();
    const int64_t zero = format.zero_point.item<int32_t>();
    int64_t low = format.is_signed ? -(int64_t{1} << (bits - 1)) : 0;
    int64_t high = low + (int64_t{1} << bits) - 1;
    const auto bound = [&](size_t port, int64_t& to) {
      if (!given(node, port)) return;
      const std::vector<int64_t> at = whole_numbers(node, port, "bounds");
      need(at.size() == 1, node, "its bounds are no numbers");
      to = at[0];
    };
    const int64_t least = low, most = high;
    bound(1, low);
    bound(2, high);
    low = std::max(low, least);
    high = std::min(high, most);
    need(low <= high, node, "its bounds leave nothing");
    if (low == zero && low > least && high == most) {
      value.value = {add(node, op::Relu{}, {value.value.node}), true};
    } else if (low != least || high != most) {
      int64_t width = 0;
      while ((int64_t{1} << width) < high - low + 1) ++width;
      const bool whole = (int64_t{1} << width) == high - low + 1;
      const bool narrow =
          !whole && zero == 0 && low == -high && (int64_t{1} << width) == high - low + 2;
      need(whole || narrow, node, "codes from {} to {} are those of no number of bits", low, high);
      format.bits = torch::full({1}, width, torch::kByte);
      moved_zero_.emplace(value.value.node, format.zero_point);
      if (narrow || (format.is_signed && low == -(int64_t{1} << (width - 1)))) {
        format.is_signed = true;
        format.narrow = narrow;
      } else {
        format.is_signed = false;
        format.zero_point = torch::full({1}, zero - low, torch::kInt);
      }
    }
    quantized_[node.outputs[0]] = std::move(value);
  }

  // A weight [out, ...] from port 1, transposed where it stands as [in, out]; put on `ours`.
  void weight(const ForeignNode& node, int ours, bool transposed) {
    const auto quantized = quantized_constants_.find(node.inputs[1]);
    if (quantized == quantized_constants_.end()) {
      const Tensor real = *real_constant(node, 1);
      return parameter(ours, "weight", transposed ? real.t() : real);
    }
    const QuantizedConstant& from = quantized->second;
    Tensor codes = (transposed ? from.codes.t() : from.codes).to(torch::kInt).contiguous();
    UniformEncoding encoding;
    UniformFormat& format = encoding.format;
    const bool channels = from.scale.numel() > 1;
    need(!channels || from.axis == (transposed ? 1 : 0), node,
         "its weight has scales along another axis than its outputs");
    format.granularity = channels ? Granularity::Channel : Granularity::Tensor;
    format.scale = from.scale.reshape({-1}).contiguous();
    format.zero_point = from.zero_point.reshape({-1}).contiguous();
    format.is_signed = from.is_signed;
    // As few bits as hold the codes, without a power of two that all of them have.
    const bool centred = (format.zero_point == 0).all().item<bool>();
    while (centred && (codes % 2 == 0).all().item<bool>() && (codes != 0).any().item<bool>()) {
      codes = codes.div(2, "trunc");
      format.scale = format.scale * 2;
    }
    const int64_t low = codes.numel() ? codes.min().item<int64_t>() : 0;
    const int64_t high = codes.numel() ? codes.max().item<int64_t>() : 0;
    int64_t bits = from.is_signed ? 2 : 1;
    const auto holds = [&](int64_t b) {
      return from.is_signed ? low >= -(int64_t{1} << (b - 1)) && high < (int64_t{1} << (b - 1))
                            : high < (int64_t{1} << b);
    };
    while (bits < kMostBits && !holds(bits)) ++bits;
    need(holds(bits), node, "its weight needs more than {} bits", kMostBits);
    format.bits = torch::full({1}, bits, torch::kByte);
    encoding.codes = codes;
    package_.weights[{ours, PointKind::Weight}] = std::move(encoding);
  }

  const Tensor weight_shape(const ForeignNode& node) const {
    const auto quantized = quantized_constants_.find(node.inputs.size() > 1 ? node.inputs[1] : "");
    if (quantized != quantized_constants_.end()) return quantized->second.codes;
    const auto real = real_constant(node, 1);
    need(real.has_value(), node, "its weight is no constant");
    return *real;
  }

  void conv(const ForeignNode& node) {
    const Value x = value_of(node, 0);
    const Tensor w = weight_shape(node);
    need(w.dim() == 4, node, "only convolutions of images are taken");
    op::Conv2d conv;
    conv.groups = node.integer("group", 1);
    need(conv.groups > 0 && conv.groups <= w.size(0), node, "its groups do not fit its weight");
    conv.out = w.size(0);
    need(w.size(1) <= (int64_t{1} << 24) / conv.groups, node, "its weight is absurd");
    conv.in = w.size(1) * conv.groups;
    conv.kernel = {w.size(2), w.size(3)};
    const auto strides = node.list("strides", {1, 1}), pads = node.list("pads", {0, 0, 0, 0});
    need(node.list("dilations", {1, 1}) == std::vector<int64_t>({1, 1}), node, "it is dilated");
    need(node.text("auto_pad", "NOTSET") == "NOTSET" && strides.size() == 2 && pads.size() == 4,
         node, "its strides and pads are not written out");
    conv.stride = {strides[0], strides[1]};
    std::copy(pads.begin(), pads.end(), conv.padding.begin());
    conv.bias = given(node, 2);
    const int ours = add(node, conv, {x.node});
    weight(node, ours, false);
    if (conv.bias) bias(node, 2, ours, conv.out);
    give(node, ours);
  }

  void bias(const ForeignNode& node, size_t port, int ours, int64_t out) {
    const auto real = real_constant(node, port);
    need(real && real->numel() == out, node, "its bias is no constant of {} numbers", out);
    parameter(ours, "bias", real->reshape({out}));
  }

  void gemm(const ForeignNode& node) {
    const Value x = value_of(node, 0);
    need(node.number("alpha", 1) == 1 && node.number("beta", 1) == 1 &&
             node.integer("transA", 0) == 0,
         node, "its alpha, beta and transA are not 1, 1 and 0");
    linear(node, x, node.integer("transB", 0) == 0);
  }

  void mat_mul(const ForeignNode& node) { linear(node, value_of(node, 0), true); }

  void linear(const ForeignNode& node, const Value& x, bool transposed) {
    const Tensor w = weight_shape(node);
    need(w.dim() == 2 && shape(x).size() == 1, node, "only rows of features are multiplied");
    const bool has_bias = node.operation == "Gemm" && given(node, 2);
    const int64_t in = transposed ? w.size(0) : w.size(1);
    const int64_t out = transposed ? w.size(1) : w.size(0);
    const int ours = add(node, op::Linear{in, out, has_bias}, {x.node});
    weight(node, ours, transposed);
    if (has_bias) bias(node, 2, ours, out);
    give(node, ours);
  }

  void add_node(const ForeignNode& node) {
    need(node.inputs.size() == 2, node, "it has {} inputs", node.inputs.size());
    for (size_t port : {0, 1}) {
      const auto summand = real_constant(node, port);
      if (!summand) continue;
      const Value x = value_of(node, 1 - port);
      need(shape(x).size() == 1 && summand->numel() == shape(x)[0] &&
               summand->size(-1) == shape(x)[0],
           node, "it adds a constant that is no bias of a row of features");
      const int ours = add(node, op::Bias{summand->numel()}, {x.node});
      parameter(ours, "bias", summand->flatten());
      return give(node, ours);
    }
    give(node, add(node, op::Add{}, {value_of(node, 0).node, value_of(node, 1).node}));
  }

  void concat(const ForeignNode& node) {
    need(node.integer("axis", 0) == 1 && node.inputs.size() >= 2, node,
         "it does not join channels");
    std::vector<int> inputs;
    for (size_t port = 0; port < node.inputs.size(); ++port)
      inputs.push_back(value_of(node, port).node);
    give(node, add(node, op::Concat{}, inputs));
  }

  void relu(const ForeignNode& node) {
    give(node, add(node, op::Relu{}, {value_of(node, 0).node}));
  }

  void elu(const ForeignNode& node) {
    need(node.number("alpha", 1) == 1, node, "its alpha is not 1");
    give(node, add(node, op::Elu{}, {value_of(node, 0).node}));
  }

  void batch_norm(const ForeignNode& node) {
    const Value x = value_of(node, 0);
    need(node.integer("training_mode", 0) == 0, node, "it is in training");
    op::BatchNorm norm;
    norm.features = shape(x)[0];
    norm.eps = node.number("epsilon", 1e-5f);
    const int ours = add(node, norm, {x.node});
    const char* names[] = {"weight", "bias", "running_mean", "running_var"};
    for (size_t k = 0; k < 4; ++k) {
      const auto real = real_constant(node, k + 1);
      need(real && real->numel() == norm.features, node, "its {} is no constant of {} numbers",
           names[k], norm.features);
      parameter(ours, names[k], real->flatten());
    }
    give(node, ours);
  }

  // Applies `make` to a value, or to codes, which keep their format.
  void moving(const ForeignNode& node, const std::function<int(int)>& make) {
    const auto quantized = quantized_.find(node.inputs.empty() ? "" : node.inputs[0]);
    if (quantized == quantized_.end()) {
      const Value value = value_of(node, 0);
      const int ours = make(value.node);
      return give(node, ours, ours != value.node || value.exclusive);
    }
    QuantizedValue moved = quantized->second;
    moved.value = formatted(node, moved);
    moved.value = {make(moved.value.node), true};
    quantized_[node.outputs[0]] = moved;
  }

  int64_t square(const ForeignNode& node, const char* name, int64_t otherwise) const {
    const auto list = node.list(name, {otherwise, otherwise});
    need(list.size() == 2 && list[0] == list[1] && list[0] > 0, node, "its {} is not square", name);
    return list[0];
  }

  int64_t even_pads(const ForeignNode& node) const {
    const auto pads = node.list("pads", {0, 0, 0, 0});
    need(pads.size() == 4 && std::all_of(pads.begin(), pads.end(),
                                         [&](int64_t p) { return p == pads[0] && p >= 0; }),
         node, "its pads differ");
    need(node.text("auto_pad", "NOTSET") == "NOTSET" && node.integer("ceil_mode", 0) == 0 &&
             node.list("dilations", {1, 1}) == std::vector<int64_t>({1, 1}),
         node, "its windows are rounded up, dilated or padded by a rule");
    return pads[0];
  }

  void max_pool(const ForeignNode& node) {
    const op::MaxPool pool{square(node, "kernel_shape", 0), square(node, "strides", 1),
                           even_pads(node)};
    moving(node, [&](int x) { return add(node, pool, {x}); });
  }

  void average_pool(const ForeignNode& node) {
    need(even_pads(node) == 0, node, "an average over borders is not known to packages");
    const op::AvgPool pool{square(node, "kernel_shape", 0), square(node, "strides", 1)};
    give(node, add(node, pool, {value_of(node, 0).node}));
  }

  void global_average_pool(const ForeignNode& node) {
    give(node, add(node, op::GlobalAvgPool{}, {value_of(node, 0).node}));
  }

  void reduce_mean(const ForeignNode& node) {
    const auto axes = given(node, 1) ? whole_numbers(node, 1, "axes") : node.list("axes", {});
    const std::set<int64_t> set(axes.begin(), axes.end());
    need(set == std::set<int64_t>({2, 3}) || set == std::set<int64_t>({-1, -2}), node,
         "it is no mean over an image");
    global_average_pool(node);
  }

  // [N, C, H, W] to [N, C H W]; nothing to do for what is a row already.
  void flatten(const ForeignNode& node) {
    if (node.operation == "Flatten") {
      need(node.integer("axis", 1) == 1, node, "its axis is not 1");
    } else {
      const auto to = whole_numbers(node, 1, "sizes");
      need(to.size() == 2 && (to[0] == 0 || to[0] == -1 || to[1] == -1), node,
           "it makes anything but rows of features");
    }
    moving(node, [&](int x) {
      if (shapes_[static_cast<size_t>(x)].size() == 1) return x;
      return add(node, op::Flatten{}, {x});
    });
  }

  // Of the two dimensions of a mean over the image, which are not there in our graph.
  void squeeze(const ForeignNode& node) {
    moving(node, [&](int x) {
      need(shapes_[static_cast<size_t>(x)].size() == 1, node, "it squeezes an image");
      return x;
    });
  }

  // Every k-th row and column from the first.
  void slice(const ForeignNode& node) {
    need(given(node, 4), node, "only slices with steps, in front of a shortcut, are taken");
    const auto from = whole_numbers(node, 1, "starts"), axes = whole_numbers(node, 3, "axes");
    const auto to = whole_numbers(node, 2, "ends"), steps = whole_numbers(node, 4, "steps");
    need(from == std::vector<int64_t>({0, 0}) && axes == std::vector<int64_t>({2, 3}) &&
             steps.size() == 2 && steps[0] == steps[1] && steps[0] > 0 && to.size() == 2,
         node, "it takes anything but every k-th row and column");
    moving(node, [&](int x) {
      const auto& size = shapes_[static_cast<size_t>(x)];
      need(size.size() == 3 && to[0] >= size[1] && to[1] >= size[2], node, "it cuts off an edge");
      return add(node, op::PadShortcut{steps[0], 0, 0}, {x});
    });
  }

  // Channels of zeros in front and behind.
  void pad(const ForeignNode& node) {
    const auto pads = given(node, 1) ? whole_numbers(node, 1, "pads") : node.list("pads", {});
    need(node.text("mode", "constant") == "constant" && pads.size() == 8, node,
         "it pads by anything but zeros");
    for (size_t i : {0, 2, 3, 4, 6, 7}) need(pads[i] == 0, node, "it pads more than channels");
    need(pads[1] >= 0 && pads[5] >= 0, node, "it cuts channels off");
    if (given(node, 2)) {
      const Tensor* value = constant_at(node, 2);
      need(value && value->numel() == 1 && value->to(torch::kDouble).item<double>() == 0, node,
           "it pads by anything but zeros");
    }
    need(quantized_.count(node.inputs[0]) == 0, node, "it pads codes");
    const Value x = value_of(node, 0);
    Graph& graph = package_.graph;
    // Together with the slice before it, if nobody else reads that.
    auto* before =
        std::get_if<op::PadShortcut>(&graph.nodes[static_cast<size_t>(x.node)].operation);
    if (before && before->before == 0 && before->after == 0 && x.exclusive &&
        x.node == graph.output()) {
      before->before = pads[1];
      before->after = pads[5];
      shapes_ = infer_shapes(graph);
      return give(node, x.node);
    }
    give(node, add(node, op::PadShortcut{1, pads[1], pads[5]}, {x.node}));
  }

  const ForeignModel& model_;
  const std::string what_;
  Package package_;
  std::vector<std::vector<int64_t>> shapes_;
  std::set<std::string> names_;
  std::map<std::string, int64_t> uses_;
  std::map<std::string, Value> values_;
  std::map<std::string, QuantizedValue> quantized_;
  std::map<std::string, QuantizedConstant> quantized_constants_;
  std::map<std::string, Tensor> computed_;
  std::map<int, Tensor> moved_zero_;
};

}  // namespace

Package from_onnx(std::string_view model, const std::string& what) {
  const torch::NoGradGuard no_grad;
  const ForeignModel foreign = read_onnx(model, what);
  Package out = Importer(foreign, what).package();
  out.notes = {{"method", "imported"},
               {"producer", foreign.producer},
               {"source", sha256(std::string(model))}};
  return out;
}

}  // namespace quantbench
