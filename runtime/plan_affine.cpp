#include <algorithm>

#include "runtime/planner.h"

namespace quantbench {

Chain Planner::entering(int i, int port) {
  const int from = producer(i, port);
  if (is_absorbed(from) && absorbed_port(i) == port) return chain_of(from);
  return leaf(operand(i, port));
}

Chain Planner::chain_of(int i) {
  Chain chain = std::visit([&](const auto& o) { return chain_of(i, o); }, node(i).operation);
  chain.nodes.push_back(i);
  return chain;
}

Chain Planner::chain_of(int i, const op::Bias&) {
  require(shape(i).size() == 1, "{} over images is not known to plans.", where(i, "a Bias"));
  Chain chain = entering(i, 0);
  add_bias(chain, i);
  return chain;
}

void Planner::add_bias(Chain& chain, int i) {
  const Tensor bias = parameter(i, "bias");
  if (!bias.defined()) return;
  chain.add(bias.to(torch::kDouble));
  if (package_.weights.count({i, PointKind::Bias}) == 0) chain.plain_bias = true;
}

Chain Planner::chain_of(int i, const op::BatchNorm& norm) {
  Chain chain = entering(i, 0);
  const auto real = [&](const char* name) { return parameter(i, name).to(torch::kDouble); };
  const Tensor factor = real("weight") / torch::sqrt(real("running_var") + norm.eps);
  chain.multiply(factor);
  chain.add(real("bias") - real("running_mean") * factor);
  chain.plain_bias = true;
  return chain;
}

Chain Planner::chain_of(int i, const op::Relu& relu) {
  Chain chain = entering(i, 0);
  chain.relu = true;
  chain.relu_most = relu.max;
  return chain;
}

Chain Planner::combine(int i, const std::vector<double>& factors) {
  const int main = std::max(absorbed_port(i), 0);
  Chain chain = entering(i, main);
  chain.multiply(one(factors[static_cast<size_t>(main)]));
  const int other = operand(i, 1 - main);
  chain.addends.push_back({other, one(factors[static_cast<size_t>(1 - main)] * scale_of(other))});
  return chain;
}

Chain Planner::chain_of(int i, const op::Add&) { return combine(i, {1, 1}); }

Chain Planner::chain_of(int i, const op::GinUpdate&) {
  const double eps = parameter(i, "eps").flatten()[0].item<float>();
  return combine(i, {1 + eps, 1});
}

Chain Planner::pool(int i, const SumPool& work, int64_t count) {
  Chain chain = leaf(operand(i, 0));
  chain.work = work;
  chain.a = chain.a / static_cast<double>(count);
  chain.least_acc *= count;
  chain.most_acc *= count;
  if (chain.accumulator != Accumulator::Float)
    chain.accumulator =
        accumulator_for(static_cast<double>(std::max(-chain.least_acc, chain.most_acc)));
  return chain;
}

Chain Planner::chain_of(int i, const op::AvgPool& p) {
  return pool(i, {p.kernel, p.stride, p.padding}, p.kernel * p.kernel);
}

Chain Planner::chain_of(int i, const op::GlobalAvgPool&) {
  const auto& image = shape(producer(i, 0));
  return pool(i, {0, 1, 0}, image[1] * image[2]);
}

}  // namespace quantbench
