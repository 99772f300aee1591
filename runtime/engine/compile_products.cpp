#include <algorithm>

#include "runtime/engine/bit_steps.h"
#include "runtime/engine/compiler.h"
#include "runtime/engine/isa.h"

namespace quantbench::engine {

ProductShape shape_of(const Product& product, const Layout& x, const Layout& y) {
  ProductShape out;
  Geometry& g = out.geometry;
  if (auto* conv = std::get_if<op::Conv2d>(&product.operation)) {
    g = {conv->kernel[0],  conv->kernel[1],  conv->stride[0], conv->stride[1],
         conv->padding[0], conv->padding[1], y.height,        y.width};
    out.groups = conv->groups;
    out.weight = {conv->out, conv->in / conv->groups, g.kernel_h, g.kernel_w};
    out.left = g.left;
    out.right = std::max<int64_t>((g.out_w - 1) * g.stride_w - g.left + g.kernel_w - x.width, 0);
  } else {
    const auto& linear = std::get<op::Linear>(product.operation);
    g.kernel_h = x.height;
    g.kernel_w = x.width;
    out.weight = {linear.out, x.channels, x.height, x.width};
  }
  return out;
}

void Compiler::emit(const Step& step, const Product& product, const Operand& y) {
  Operand x = operand(step.inputs[0]);
  const ProductShape shape = shape_of(product, x.layout, y.layout);
  const auto dense = [&](const Tensor& weights) {
    const Tensor w = weights.view(shape.weight);
    return shape.groups == 1 ? w : without_groups(w, shape.groups);
  };
  if (auto* weights = std::get_if<IntegerWeights>(&product.weights)) {
    const int64_t largest =
        weights->integers.numel() ? weights->integers.abs().max().item<int64_t>() : 0;
    if (step.accumulator != Accumulator::Int32 || x.layout.cell == Cell::I32 || largest > INT16_MAX)
      return whole(step, y);
    const Tensor w = weights->integers.view(shape.weight);
    const bool depthwise = shape.groups > 1 && shape.groups == x.layout.channels &&
                           shape.groups == y.layout.channels && x.layout.padded == y.layout.padded;
    if (const auto cut =
            depthwise ? std::nullopt : planes(product, shape, x, *value(step.inputs[0]).grid)) {
      const Operand from = slices(step, x, *cut);
      return with_finish(step, {from.value}, Cell::I32,
                         [&](const EpilogueData& end, const Operand& to) {
                           return bit_step(kernels_, *bit_kernels(kernels_), w, shape.geometry, x,
                                           *cut, from, end, to);
                         });
    }
    const auto bytes = x.layout.cell == Cell::U8 ? centered(weights->integers) : std::nullopt;
    if (bytes && !bytes->center.empty()) {
      const Operand sums = row_sums(step, x);
      return with_finish(step, {x.value, sums.value}, Cell::I32,
                         [&](const EpilogueData& end, const Operand& to) {
                           return sparse_or(centered_step(kernels_, *bytes, x, sums, end, to),
                                            weights->integers, x, end, to);
                         });
    }
    return with_finish(step, {x.value}, Cell::I32, [&](const EpilogueData& end, const Operand& to) {
      auto made = depthwise ? depthwise_step(kernels_, w, shape.geometry, x, end, to)
                            : convolution_step(kernels_, dense(w), shape.geometry, x, end, to);
      if (std::holds_alternative<op::Linear>(product.operation))
        made = nibbles_or(std::move(made), w, shape.geometry, x, end, to);
      return sparse_or(std::move(made), weights->integers, x, end, to);
    });
  }
  if (auto* planes = std::get_if<MultiBitWeights>(&product.weights)) {
    if (shape.groups != 1 || x.layout.shift != 0 ||
        (x.layout.cell != Cell::U8 && x.layout.cell != Cell::I16))
      return whole(step, y);
    return with_finish(step, {x.value}, Cell::F32, [&](const EpilogueData& end, const Operand& to) {
      return plane_step(kernels_, planes->encoding, shape.geometry, x, end, to);
    });
  }
  auto* weights = std::get_if<FloatWeights>(&product.weights);
  if (x.layout.cell != Cell::F32) x = real(step, x);
  with_finish(step, {x.value}, Cell::F32, [&](const EpilogueData& end, const Operand& to) {
    return convolution_step(kernels_, dense(weights->values), shape.geometry, x, end, to);
  });
}

std::unique_ptr<ProgramStep> Compiler::nibbles_or(std::unique_ptr<ProgramStep> wide,
                                                  const Tensor& weights, const Geometry& geometry,
                                                  const Operand& x, const EpilogueData& end,
                                                  const Operand& to) {
  // Less is read in no time at all.
  constexpr int64_t kFewWeights = 1 << 14;
  const bool wanted =
      bits_ == Bits::Always || (bits_ == Bits::Measured && weights.numel() >= kFewWeights);
  if (!wanted || to.layout.per != Per::Image || !end.terms.empty()) return wide;
  auto narrow = nibble_step(kernels_, weights, geometry, x, end, to);
  if (!narrow) return wide;
  if (bits_ == Bits::Always) return narrow;
  return measured_seconds(*narrow, x, to) < measured_seconds(*wide, x, to) ? std::move(narrow)
                                                                           : std::move(wide);
}

std::unique_ptr<ProgramStep> Compiler::sparse_or(std::unique_ptr<ProgramStep> dense,
                                                 const Tensor& weights, const Operand& x,
                                                 const EpilogueData& end, const Operand& to) {
  if (x.value != sparse_input_) return dense;
  return sparse_step(kernels_, weights, sparse_grid_, end, to, std::move(dense));
}

Operand Compiler::row_sums(const Step& step, const Operand& x) {
  const auto known = row_sums_.find(x.value);
  if (known != row_sums_.end()) return known->second;
  Operand y = scratch(x.layout, Cell::I32);
  y.layout.channels = y.layout.padded = 1;
  out_.layouts.back() = y.layout;
  push(row_sums_step(kernels_, x, y), step, {x.value});
  out_.steps.back()->dense = x.value == sparse_input_;
  return row_sums_[x.value] = y;
}

std::optional<int> Compiler::planes(const Product& product, const ProductShape& shape,
                                    const Operand& x, const ValueGrid& grid) const {
  const BitKernels* bits = bit_kernels(kernels_);
  const Tensor& w = std::get<IntegerWeights>(product.weights).integers;
  if (bits_ == Bits::Never || !bits || x.layout.cell != Cell::U8 || shape.groups != 1 ||
      x.value == sparse_input_ || x.layout.padded % kernels_.lanes != 0 ||
      !(w.abs() == 1).all().item<bool>())
    return std::nullopt;
  const int count = planes_of(x.layout, grid.high);
  if (bits_ == Bits::Always) return count;
  const BitCosts costs = measured_costs(kernels_, *bits);
  const auto macs = static_cast<double>(product.macs);
  const double by_bits =
      macs * count * costs.bit_mac + static_cast<double>(x.layout.bytes()) * count * costs.slice;
  return by_bits < macs * costs.byte_mac ? std::optional<int>(count) : std::nullopt;
}

Operand Compiler::slices(const Step& step, const Operand& x, int planes) {
  const auto known = slices_.find(x.value);
  if (known != slices_.end()) return known->second;
  Operand y = scratch(x.layout, Cell::I32);
  y.layout = out_.layouts.back() = sliced(x.layout, planes);
  push(slice_step(*bit_kernels(kernels_), x, planes, y), step, {x.value});
  return slices_[x.value] = y;
}

Operand Compiler::real(const Step& step, const Operand& x) {
  Layout like = x.layout;
  const Operand y = [&] {
    Operand made = scratch(like, Cell::F32);
    Layout& l = out_.layouts.back();
    l.left = like.left;
    l.right = like.right;
    made.layout = l;
    return made;
  }();
  EpilogueData end = plain_epilogue(y.layout);
  end.a.assign(end.a.size(), value(step.inputs[0]).grid->scale);
  push(map_step(kernels_, x, end, y), step, {x.value});
  return y;
}

}  // namespace quantbench::engine
