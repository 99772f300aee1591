#include "runtime/planner.h"

namespace quantbench {

void Planner::forget_bounds(Chain& chain) {
  if (chain.accumulator != Accumulator::Float) chain.accumulator = Accumulator::Int64;
  chain.least_acc = chain.most_acc = 0;
}

Chain Planner::chain_of(int i, const op::Elu&) {
  Chain chain = leaf(operand(i, 0));
  chain.work = EluWork{};
  chain.a = one(1);
  chain.accumulator = Accumulator::Float;
  chain.least_acc = chain.most_acc = 0;
  return chain;
}

Chain Planner::chain_of(int i, const op::ReadOut& o) {
  Chain chain = leaf(operand(i, 0));
  chain.work = ReadOut{o.reduce};
  forget_bounds(chain);
  return chain;
}

Chain Planner::chain_of(int i, const op::Propagate& o) {
  const int v = operand(i, 0);
  Chain chain = leaf(v);
  Aggregate work;
  work.reduce = o.reduce;
  work.self_loops = o.self_loops;
  bool integers = value(v).grid.has_value();
  double scale = scale_of(v);
  if (o.reduce == op::Reduce::Gcn) {
    if (const Format* format = format_at(i, PointKind::EdgeNorm)) {
      const PlannedFormat norm = planned(*format, where(i, "the edges' norm"));
      work.norm_format = norm.quantization;
      work.norm_a = static_cast<float>(norm.factor);
      work.norm_b = static_cast<float>(norm.shift);
      work.norm_on_grid = norm.grid.has_value();
      if (norm.grid) work.norm_scale = norm.grid->scale;
    }
    // Norms and messages meet as integers, or as real numbers.
    integers = integers && work.norm_on_grid;
    scale = integers ? scale * static_cast<double>(work.norm_scale) : 1.0;
  }
  work.products = integers;
  if (const Format* format = format_at(i, PointKind::Message)) {
    const PlannedFormat message = planned(*format, where(i, "the messages"));
    work.message_format = message.quantization;
    work.message_a = static_cast<float>(message.factor * scale);
    work.message_b = static_cast<float>(message.shift);
    integers = message.grid.has_value();
    scale = message.grid ? static_cast<double>(message.grid->scale) : 1.0;
  } else if (!integers) {
    scale = o.reduce == op::Reduce::Gcn ? 1.0 : scale;
  }
  work.message_on_grid = integers;
  chain.work = work;
  chain.accumulator = integers ? Accumulator::Int64 : Accumulator::Float;
  chain.least_acc = chain.most_acc = 0;
  chain.a = one(scale);
  return chain;
}

Chain Planner::chain_of(int i, const op::Attention& o) {
  Chain chain = leaf(operand(i, 0));
  Attend work;
  work.heads = o.heads;
  work.features = o.features;
  work.concat = o.concat;
  work.negative_slope = static_cast<float>(o.negative_slope);
  Tensor vectors = torch::cat({parameter(i, "att_src"), parameter(i, "att_dst")});
  if (const Format* format = format_at(i, PointKind::AttentionVector))
    vectors = quantbench::apply(*format, vectors);
  work.source = vectors[0].contiguous();
  work.target = vectors[1].contiguous();
  if (const Format* format = format_at(i, PointKind::AttentionLogit)) {
    const PlannedFormat logit = planned(*format, where(i, "the attention's logits"));
    work.logit_format = logit.quantization;
    work.logit_a = static_cast<float>(logit.factor);
    work.logit_b = static_cast<float>(logit.shift);
    work.logit_on_grid = logit.grid.has_value();
    if (logit.grid) work.logit_scale = logit.grid->scale;
  }
  double scale = 1;
  if (const Format* format = format_at(i, PointKind::Message)) {
    const PlannedFormat message = planned(*format, where(i, "the messages"));
    work.message_format = message.quantization;
    work.message_a = static_cast<float>(message.factor);
    work.message_b = static_cast<float>(message.shift);
    work.message_on_grid = message.grid.has_value();
    if (message.grid) scale = message.grid->scale;
  }
  chain.accumulator = work.message_on_grid ? Accumulator::Int64 : Accumulator::Float;
  chain.least_acc = chain.most_acc = 0;
  chain.a = one(o.concat ? scale : scale / static_cast<double>(o.heads));
  chain.work = std::move(work);
  return chain;
}

}  // namespace quantbench
