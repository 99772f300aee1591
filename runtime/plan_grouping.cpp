#include "runtime/planner.h"

namespace quantbench {
namespace {

constexpr int kLongestChain = 64;  // nodes in a step

}  // namespace

void Planner::format_what_enters_concats() {
  for (int i = 0; i <= graph_.output(); ++i) {
    const Format* own = format_at(i, PointKind::Output);
    if (!own || !std::holds_alternative<op::Concat>(node(i).operation)) continue;
    if (!std::holds_alternative<UniformFormat>(*own)) continue;
    const PlannedFormat target = planned(*own, where(i, "the output"));
    if (!target.grid || target.quantization.lows.defined()) continue;
    const auto ports = static_cast<int>(node(i).inputs.size());
    bool plain = true;
    for (int port = 0; port < ports; ++port) plain &= !format_at(i, PointKind::Input, port);
    if (!plain) continue;
    for (int port = 0; port < ports; ++port) formats_[{i, PointKind::Input, port}] = own;
    formats_.erase({i, PointKind::Output});
    format_of_concat_[i] = own;
  }
}

void Planner::look_through_dropout() {
  const size_t count = graph_.nodes.size();
  through_.resize(count);
  consumers_.resize(count);
  for (int i = 0; i < static_cast<int>(count); ++i) {
    const Node& at = node(i);
    const bool nothing = std::holds_alternative<op::Dropout>(at.operation) &&
                         !format_at(i, PointKind::Output) && !format_at(i, PointKind::Input);
    through_[static_cast<size_t>(i)] = nothing ? through(at.inputs[0]) : i;
    if (nothing) continue;
    for (int port = 0; port < static_cast<int>(at.inputs.size()); ++port)
      consumers_[static_cast<size_t>(producer(i, port))].push_back({i, port});
  }
}

const std::pair<int, int>* Planner::only_consumer(int i) const {
  const auto& all = consumers_[static_cast<size_t>(i)];
  return all.size() == 1 && !is_output(i) ? &all[0] : nullptr;
}

bool Planner::may_be_absorbed(int i) const {
  const auto* next = only_consumer(i);
  if (!next || format_at(i, PointKind::Output) ||
      format_at(next->first, PointKind::Input, next->second))
    return false;
  const Operation& o = node(i).operation;
  return (sums(o) || (follows(o) && !std::holds_alternative<op::Relu>(o))) &&
         follows(node(next->first).operation);
}

void Planner::choose_absorbed_ports() {
  const size_t count = graph_.nodes.size();
  absorbed_port_.assign(count, -1);
  has_sum_.assign(count, false);
  length_.assign(count, 1);
  for (int i = 0; i < static_cast<int>(count); ++i) {
    const auto index = static_cast<size_t>(i);
    has_sum_[index] = sums(node(i).operation);
    if (!follows(node(i).operation)) continue;
    int& chosen = absorbed_port_[index];
    for (int port = 0; port < static_cast<int>(node(i).inputs.size()); ++port) {
      const auto from = static_cast<size_t>(producer(i, port));
      if (!may_be_absorbed(producer(i, port)) || length_[from] >= kLongestChain) continue;
      if (chosen >= 0 && (has_sum_[index] || !has_sum_[from])) continue;
      chosen = port;
      has_sum_[index] = has_sum_[from];
      length_[index] = length_[from] + 1;
    }
  }
}

bool Planner::is_absorbed(int i) const {
  if (!may_be_absorbed(i)) return false;
  const auto* next = only_consumer(i);
  return absorbed_port(next->first) == next->second;
}

}  // namespace quantbench
