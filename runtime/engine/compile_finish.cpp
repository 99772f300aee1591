#include <algorithm>
#include <cmath>

#include "runtime/engine/compiler.h"
#include "runtime/engine/general.h"

namespace quantbench::engine {

namespace {

constexpr double kLargestRounded = 1 << 30;

bool constant(const Tensor& t) {
  return t.numel() <= 1 || (t == t.flatten()[0]).all().item<bool>();
}

}  // namespace

bool simple(const Quantization& q) {
  return !q.by_thresholds() && !q.lows.defined() && !q.highs.defined() && !q.inverse.defined() &&
         !q.unit.defined() && q.rounding == Rounding::HalfEven &&
         q.overflow == Overflow::Saturate && q.step == 1;
}

bool Compiler::reads_input(const Step& step) const {
  return std::holds_alternative<Identity>(step.work) && step.inputs[0] == 0 &&
         step.finish.addends.empty() && fast(step);
}

bool Compiler::fast(const Step& step) const {
  const quantbench::Finish& finish = step.finish;
  return !finish.wide && finish.addends.size() <= 2 &&
         (!finish.quantization ||
          (simple(*finish.quantization) && value(step.output).grid.has_value()));
}

std::optional<std::vector<float>> Compiler::spread(const Tensor& t, const Layout& y) const {
  const Tensor all = t.to(torch::kFloat).flatten().contiguous();
  std::vector<float> numbers(static_cast<size_t>(y.padded), 0.0f);
  if (all.numel() != y.channels && !constant(all)) return std::nullopt;
  for (int64_t c = 0; c < y.channels; ++c)
    numbers[static_cast<size_t>(c)] =
        all.numel() == y.channels ? all[c].item<float>() : all[0].item<float>();
  return numbers;
}

std::optional<EpilogueData> Compiler::epilogue(const Step& step, const Operand& y) {
  if (!fast(step)) return std::nullopt;
  const quantbench::Finish& finish = step.finish;
  EpilogueData out;
  const auto a = spread(finish.a, y.layout), b = spread(finish.b, y.layout);
  if (!a || !b) return std::nullopt;
  out.a = *a;
  out.b = *b;
  for (const quantbench::Addend& addend : finish.addends) {
    const Operand x = operand(addend.value);
    const auto factor = spread(addend.a, y.layout);
    if (!factor || x.layout.padded != y.layout.padded) return std::nullopt;
    out.terms.push_back({x.value, x.layout, *factor});
  }
  out.low = finish.least;
  out.high = finish.most;
  if (finish.quantization) {
    out.quantized = true;
    out.low = std::max(std::nearbyint(out.low), static_cast<float>(finish.quantization->low));
    out.high = std::min(std::nearbyint(out.high), static_cast<float>(finish.quantization->high));
    out.bounded = bounded(step, out);
  }
  return out;
}

bool Compiler::bounded(const Step& step, const EpilogueData& end) const {
  if (step.accumulator != Accumulator::Int32 || (step.least_acc == 0 && step.most_acc == 0))
    return false;
  const double largest =
      static_cast<double>(std::max(std::abs(step.least_acc), std::abs(step.most_acc)));
  for (size_t c = 0; c < end.a.size(); ++c) {
    double u = std::fabs(static_cast<double>(end.a[c])) * largest + std::fabs(end.b[c]);
    for (size_t k = 0; k < end.terms.size(); ++k) {
      const auto& grid = value(step.finish.addends[k].value).grid;
      if (!grid) return false;
      u += std::fabs(static_cast<double>(end.terms[k].a[c])) *
           static_cast<double>(std::max(-grid->low, grid->high));
    }
    if (!(u <= kLargestRounded)) return false;
  }
  return true;
}

void Compiler::with_finish(const Step& step, std::vector<int> reads, Cell accumulators,
                           const Make& make) {
  const Operand y = operand(step.output);
  const std::vector<int> addends = addend_values(step);
  if (const auto fast_epilogue = epilogue(step, y)) {
    reads.insert(reads.end(), addends.begin(), addends.end());
    push(make(*fast_epilogue, y), step, reads);
    note_macs(step, true);
    return;
  }
  const Operand acc = scratch(y.layout, accumulators);
  EpilogueData raw;
  raw.raw = true;
  push(make(raw, acc), step, reads);
  note_macs(step, true);
  finish(step, acc, y);
}

void Compiler::finish(const Step& step, const Operand& acc, const Operand& y) {
  std::vector<Operand> values;
  std::vector<int> reads{acc.value};
  for (const quantbench::Addend& addend : step.finish.addends) {
    values.push_back(in_plan_form(addend.value));
    reads.push_back(root(addend.value));
  }
  push(finish_step(plan_, step, acc, values, y), step, reads);
}

EpilogueData plain_epilogue(const Layout& y) {
  EpilogueData out;
  out.a.assign(static_cast<size_t>(y.padded), 1.0f);
  out.b.assign(static_cast<size_t>(y.padded), 0.0f);
  out.low = -INFINITY;
  out.high = INFINITY;
  return out;
}

}  // namespace quantbench::engine
