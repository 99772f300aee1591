#include <algorithm>
#include <cmath>

#include "runtime/onnx/importer.h"

namespace quantbench {

void Importer::constant(const ForeignNode& node) {
  const auto value = node.tensors.find("value");
  need(value != node.tensors.end(), node, "it holds no tensor");
  computed_[node.outputs[0]] = value->second;
}

void Importer::pass(const ForeignNode& node) {
  const auto quantized = quantized_.find(node.inputs.empty() ? "" : node.inputs[0]);
  if (quantized != quantized_.end()) {
    quantized_[node.outputs[0]] = quantized->second;
    return;
  }
  const Value value = value_of(node, 0);
  give(node, value.node, value.exclusive);
}

void Importer::cast(const ForeignNode& node) {
  const Tensor* from = constant_at(node, 0);
  const int64_t to = node.integer("to", 0);
  need(from != nullptr && !from->is_floating_point() && (to == 2 || to == 3 || to == 6), node,
       "only constants are cast, to int8, uint8 or int32");
  computed_[node.outputs[0]] = from->to(to == 2   ? torch::kByte
                                        : to == 3 ? torch::kChar
                                                  : torch::kInt);
}

void Importer::mul(const ForeignNode& node) {
  const Tensor *a = constant_at(node, 0), *b = constant_at(node, 1);
  need(a && b && a->scalar_type() == torch::kInt && b->scalar_type() == torch::kInt &&
           b->numel() == 1,
       node, "only integer constants are multiplied, by one number");
  computed_[node.outputs[0]] = *a * *b;
}

Importer::Step Importer::step_of(const ForeignNode& node, const Tensor* codes,
                                 int64_t packed_bits) const {
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

void Importer::quantize_linear(const ForeignNode& node) {
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

Importer::Value Importer::formatted(const ForeignNode& node, const QuantizedValue& from) {
  const auto grid = grid_of(from.value.node);
  if (grid && same_format(*grid, from.format)) return from.value;
  int at = from.value.node;
  const Point point{at, PointKind::Output};
  if (!from.value.exclusive || package_.activations.count(point) > 0)
    at = add(node, op::Dropout{}, {at});
  package_.activations[{at, PointKind::Output}] = from.format;
  return {at, true};
}

void Importer::dequantize_linear(const ForeignNode& node) {
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

Tensor Importer::unclipped_zero(const QuantizedValue& q) const {
  const auto moved = moved_zero_.find(q.value.node);
  return moved == moved_zero_.end() ? q.format.zero_point : moved->second;
}

void Importer::clip(const ForeignNode& node) {
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

void Importer::clip_codes(const ForeignNode& node, QuantizedValue value) {
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

}  // namespace quantbench
