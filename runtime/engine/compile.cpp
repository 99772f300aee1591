#include "runtime/engine/compile.h"

#include <algorithm>

#include "base/error.h"
#include "runtime/engine/compiler.h"
#include "runtime/engine/general.h"

namespace quantbench::engine {

Compiled Compiler::run() {
  lay_out();
  for (const Step& step : plan_.steps) emit(step);
  return std::move(out_);
}

void Compiler::emit(const Step& step) {
  if (is_view(step)) return;
  const Operand y = operand(step.output);
  if (reads_input(step)) {
    if (const auto end = epilogue(step, y)) {
      note_sparse_input(step, *end);
      auto made = input_of(*end, y);
      made->dense = sparse_input_ == y.value;
      return push(std::move(made), step, {});
    }
  }
  for (int v : step.inputs)
    if (root(v) == 0) bring_input(step);
  for (const quantbench::Addend& addend : step.finish.addends)
    if (root(addend.value) == 0) bring_input(step);
  if (auto* product = std::get_if<Product>(&step.work)) return emit(step, *product, y);
  if (auto* move = std::get_if<Move>(&step.work)) return emit(step, *move, y);
  if (auto* pool = std::get_if<SumPool>(&step.work)) return emit(step, *pool, y);
  if (std::holds_alternative<Identity>(step.work)) return emit_identity(step, y);
  if (auto* sums = std::get_if<Aggregate>(&step.work)) return emit(step, *sums, y);
  if (auto* sums = std::get_if<ReadOut>(&step.work)) return emit(step, *sums, y);
  whole(step, y);
}

void Compiler::push(std::unique_ptr<ProgramStep> step, const Step& of, std::vector<int> reads) {
  step->name = of.name;
  reads.push_back(step->value);
  out_.touches.push_back(std::move(reads));
  out_.steps.push_back(std::move(step));
}

std::vector<int> Compiler::addend_values(const Step& step) {
  std::vector<int> out;
  for (const quantbench::Addend& addend : step.finish.addends) out.push_back(root(addend.value));
  return out;
}

Operand Compiler::scratch(Layout like, Cell cell) {
  like.cell = cell;
  like.shift = 0;
  like.left = like.right = 0;
  like.padded = rounded_up(like.channels, kernels_.lanes);
  out_.layouts.push_back(like);
  return {static_cast<int>(out_.layouts.size()) - 1, like};
}

void Compiler::bring_input(const Step& step) {
  if (input_there_) return;
  input_there_ = true;
  const Operand y = operand(0);
  push(input_of(plain_epilogue(y.layout), y), step, {});
}

std::unique_ptr<ProgramStep> Compiler::input_of(const EpilogueData& end, const Operand& y) const {
  return y.layout.per == Per::Image ? input_step(kernels_, end, y) : rows_step(kernels_, end, y);
}

std::unique_ptr<ProgramStep> Compiler::by_reference(const Step& step, const Operand& y,
                                                    std::vector<int>& reads) {
  std::vector<Operand> values;
  for (int v : step.inputs) values.push_back(in_plan_form(v));
  for (const quantbench::Addend& addend : step.finish.addends)
    values.push_back(in_plan_form(addend.value));
  for (const Operand& x : values) reads.push_back(x.value);
  return whole_step(plan_, step, values, y);
}

void Compiler::whole(const Step& step, const Operand& y) {
  std::vector<int> reads;
  auto made = by_reference(step, y, reads);
  push(std::move(made), step, reads);
  note_macs(step, false);
}

Operand Compiler::in_plan_form(int v) {
  require(root(v) == v, "The engine cannot read the flattened value {} of the network {} here.",
          value(v).name, plan_.name);
  return operand(v);
}

void Compiler::note_macs(const Step& step, bool by_kernel) {
  if (auto* product = std::get_if<Product>(&step.work)) {
    out_.steps.back()->macs = product->macs;
    out_.steps.back()->integer =
        by_kernel && !std::holds_alternative<FloatWeights>(product->weights);
  }
}

Compiled compile(const Plan& plan, const KernelTable& kernels, Bits bits) {
  return Compiler(plan, kernels, bits).run();
}

}  // namespace quantbench::engine
