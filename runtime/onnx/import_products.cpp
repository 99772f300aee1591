#include <algorithm>

#include "runtime/onnx/importer.h"

namespace quantbench {
namespace {

constexpr int kMostBits = 16;  // of a code that a package stores

}  // namespace

void Importer::weight(const ForeignNode& node, int ours, bool transposed) {
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

const Tensor Importer::weight_shape(const ForeignNode& node) const {
  const auto quantized = quantized_constants_.find(node.inputs.size() > 1 ? node.inputs[1] : "");
  if (quantized != quantized_constants_.end()) return quantized->second.codes;
  const auto real = real_constant(node, 1);
  need(real.has_value(), node, "its weight is no constant");
  return *real;
}

void Importer::conv(const ForeignNode& node) {
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
  need(node.text("auto_pad", "NOTSET") == "NOTSET" && strides.size() == 2 && pads.size() == 4, node,
       "its strides and pads are not written out");
  conv.stride = {strides[0], strides[1]};
  std::copy(pads.begin(), pads.end(), conv.padding.begin());
  conv.bias = given(node, 2);
  const int ours = add(node, conv, {x.node});
  weight(node, ours, false);
  if (conv.bias) bias(node, 2, ours, conv.out);
  give(node, ours);
}

void Importer::bias(const ForeignNode& node, size_t port, int ours, int64_t out) {
  const auto real = real_constant(node, port);
  need(real && real->numel() == out, node, "its bias is no constant of {} numbers", out);
  parameter(ours, "bias", real->reshape({out}));
}

void Importer::gemm(const ForeignNode& node) {
  const Value x = value_of(node, 0);
  need(
      node.number("alpha", 1) == 1 && node.number("beta", 1) == 1 && node.integer("transA", 0) == 0,
      node, "its alpha, beta and transA are not 1, 1 and 0");
  linear(node, x, node.integer("transB", 0) == 0);
}

void Importer::mat_mul(const ForeignNode& node) { linear(node, value_of(node, 0), true); }

void Importer::linear(const ForeignNode& node, const Value& x, bool transposed) {
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

void Importer::add_node(const ForeignNode& node) {
  need(node.inputs.size() == 2, node, "it has {} inputs", node.inputs.size());
  for (size_t port : {0, 1}) {
    const auto summand = real_constant(node, port);
    if (!summand) continue;
    const Value x = value_of(node, 1 - port);
    need(
        shape(x).size() == 1 && summand->numel() == shape(x)[0] && summand->size(-1) == shape(x)[0],
        node, "it adds a constant that is no bias of a row of features");
    const int ours = add(node, op::Bias{summand->numel()}, {x.node});
    parameter(ours, "bias", summand->flatten());
    return give(node, ours);
  }
  give(node, add(node, op::Add{}, {value_of(node, 0).node, value_of(node, 1).node}));
}

void Importer::batch_norm(const ForeignNode& node) {
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

}  // namespace quantbench
