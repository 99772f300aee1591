#include <algorithm>

#include "runtime/engine/compiler.h"

namespace quantbench::engine {

void Compiler::emit(const Step& step, const Move& move, const Operand& y) {
  const std::optional<ValueGrid>& grid = value(step.output).grid;
  if (auto* pool = std::get_if<op::MaxPool>(&move.operation)) {
    const Operand x = operand(step.inputs[0]);
    if (!grid) return whole(step, y);  // floats may hold NaN, which the reference minds
    EpilogueData end = plain_epilogue(y.layout);
    end.quantized = true;
    end.low = static_cast<float>(grid->low);
    end.high = static_cast<float>(grid->high);
    const Geometry g{pool->kernel,  pool->kernel,  pool->stride,    pool->stride,
                     pool->padding, pool->padding, y.layout.height, y.layout.width};
    return push(pool_step(kernels_, true, g, x, end, y), step, {x.value});
  }
  const auto same = [&](const Operand& x) {
    return x.layout.cell == y.layout.cell && x.layout.shift == y.layout.shift;
  };
  if (auto* pad = std::get_if<op::PadShortcut>(&move.operation)) {
    const Operand x = operand(step.inputs[0]);
    if (!same(x)) return whole(step, y);
    return push(copy_step(x, y, pad->stride, pad->before, true), step, {x.value});
  }
  if (std::holds_alternative<op::Concat>(move.operation)) {
    std::vector<Operand> parts;
    for (int v : step.inputs) parts.push_back(operand(v));
    if (!std::all_of(parts.begin(), parts.end(), same)) return whole(step, y);
    int64_t before = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      std::vector<int> reads{parts[i].value};
      push(copy_step(parts[i], y, 1, before, i == 0), step, reads);
      before += parts[i].layout.channels;
    }
    return;
  }
  whole(step, y);
}

void Compiler::emit(const Step& step, const SumPool& pool, const Operand& y) {
  const Operand x = operand(step.inputs[0]);
  if (step.accumulator == Accumulator::Int64) return whole(step, y);
  const Geometry g = pool.kernel > 0
                         ? Geometry{pool.kernel,  pool.kernel,  pool.stride,     pool.stride,
                                    pool.padding, pool.padding, y.layout.height, y.layout.width}
                         : Geometry{x.layout.height, x.layout.width, 1, 1, 0, 0, 1, 1};
  const bool integer = x.layout.cell != Cell::F32;
  with_finish(step, {x.value}, integer ? Cell::I32 : Cell::F32,
              [&](const EpilogueData& end, const Operand& to) {
                return pool_step(kernels_, false, g, x, end, to);
              });
}

void Compiler::emit_identity(const Step& step, const Operand& y) {
  const Operand x = operand(step.inputs[0]);
  if (x.layout.padded == y.layout.padded && y.layout.padded % kernels_.lanes == 0)
    if (const auto end = epilogue(step, y)) {
      std::vector<int> reads = addend_values(step);
      reads.push_back(x.value);
      return push(map_step(kernels_, x, *end, y), step, reads);
    }
  if (root(step.inputs[0]) == step.inputs[0]) return finish(step, x, y);
  whole(step, y);
}

}  // namespace quantbench::engine
