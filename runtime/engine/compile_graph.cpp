#include <algorithm>
#include <cmath>

#include "runtime/engine/compiler.h"

namespace quantbench::engine {
namespace {

constexpr int64_t kLargestByte = 255;

int64_t largest_of(const ValueGrid& grid) { return std::max(-grid.low, grid.high); }

int64_t largest_of(const Quantization& q) { return std::max(std::abs(q.low), std::abs(q.high)); }

constexpr int64_t kManyFeatures = 64;  // below, a row is multiplied as fast as it is searched

}  // namespace

void Compiler::note_sparse_input(const Step& step, const EpilogueData& end) {
  const Layout& y = layout(step.output);
  if (y.per != Per::Node || !end.quantized || y.channels < kManyFeatures) return;
  for (int64_t c = 0; c < y.channels; ++c) {
    const auto i = static_cast<size_t>(c);
    if (end.a[i] != end.a[0] || end.b[i] != end.b[0]) return;
  }
  const float zero = std::nearbyint(std::min(std::max(end.b[0], end.low), end.high));
  if (zero != 0 || end.low < INT16_MIN || end.high > INT16_MAX || step.output == plan_.output)
    return;
  for (const Step& other : plan_.steps) {
    for (const quantbench::Addend& addend : other.finish.addends)
      if (addend.value == step.output) return;
    if (std::find(other.inputs.begin(), other.inputs.end(), step.output) == other.inputs.end())
      continue;
    auto* product = std::get_if<Product>(&other.work);
    auto* weights = product ? std::get_if<IntegerWeights>(&product->weights) : nullptr;
    if (!weights || other.accumulator != Accumulator::Int32 || !fast(other) ||
        weights->integers.abs().max().item<int64_t>() > INT16_MAX)
      return;
  }
  sparse_input_ = step.output;
  sparse_grid_ = end;
}

Operand Compiler::messages(const Step& step, const Aggregate& work, const Operand& x) {
  const Quantization& how = *work.message_format;
  Layout like = x.layout;
  const bool bytes = how.high - std::min<int64_t>(how.low, 0) <= kLargestByte;
  Operand y = scratch(like, bytes ? Cell::U8 : Cell::I16);
  if (bytes) y.layout.shift = static_cast<int32_t>(-std::min<int64_t>(how.low, 0));
  out_.layouts.back() = y.layout;
  EpilogueData end = plain_epilogue(y.layout);
  end.a.assign(end.a.size(), work.message_a);
  end.b.assign(end.b.size(), work.message_b);
  end.quantized = true;
  end.low = static_cast<float>(how.low);
  end.high = static_cast<float>(how.high);
  push(map_step(kernels_, x, end, y), step, {x.value});
  return y;
}

void Compiler::emit(const Step& step, const Aggregate& work, const Operand& y) {
  Operand x = operand(step.inputs[0]);
  const auto known = [](const std::optional<Quantization>& how, bool on_grid) {
    return !how || (on_grid && simple(*how) && how->low >= INT16_MIN && how->high <= INT16_MAX);
  };
  const bool gcn = work.reduce == op::Reduce::Gcn;
  const bool real = x.layout.cell == Cell::F32;
  // Integers meet integers, floats floats.
  const bool operands = !gcn || work.norm_on_grid == !real;
  if (!operands || !known(work.norm_format, work.norm_on_grid) ||
      !known(work.message_format, work.message_on_grid) || !fast(step) ||
      (gcn && !real && x.layout.cell == Cell::I32))
    return whole(step, y);
  int64_t largest = 0;
  if (work.message_format) {
    if (!gcn) x = messages(step, work, x);
    largest = std::max(largest_of(*work.message_format), kLargestByte);
  } else if (!real) {
    largest = std::max(largest_of(*value(step.inputs[0]).grid), kLargestByte);
    if (gcn) largest *= largest_of(*work.norm_format);
  }
  // A product of a message must itself fit.
  if (gcn && !real &&
      largest_of(*value(step.inputs[0]).grid) * largest_of(*work.norm_format) > INT32_MAX)
    return whole(step, y);
  std::vector<int> reads{x.value};
  auto otherwise = by_reference(step, y, reads);
  auto* shared = &otherwise;
  with_finish(step, reads, largest > 0 ? Cell::I32 : Cell::F32,
              [&](const EpilogueData& end, const Operand& to) {
                return aggregate_step(kernels_, work, x, end, to, largest, std::move(*shared));
              });
}

void Compiler::emit(const Step& step, const ReadOut& work, const Operand& y) {
  const Operand x = operand(step.inputs[0]);
  if (!fast(step)) return whole(step, y);
  const auto& grid = value(step.inputs[0]).grid;
  const int64_t largest = grid ? std::max(largest_of(*grid), kLargestByte) : 0;
  std::vector<int> reads{x.value};
  auto otherwise = by_reference(step, y, reads);
  auto* shared = &otherwise;
  with_finish(step, reads, largest > 0 ? Cell::I32 : Cell::F32,
              [&](const EpilogueData& end, const Operand& to) {
                return read_out_step(kernels_, work.reduce == op::Reduce::Mean, x, end, to, largest,
                                     std::move(*shared));
              });
}

}  // namespace quantbench::engine
