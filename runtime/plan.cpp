#include "runtime/plan.h"

#include <algorithm>

#include "runtime/package_check.h"
#include "runtime/planner.h"
#include "runtime/slots.h"

namespace quantbench {

Planner::Planner(const Package& package)
    : package_(package), graph_(package.graph), shapes_(infer_shapes(graph_)) {
  for (const ParameterSlot& slot : parameter_slots(graph_)) {
    const auto encoded =
        slot.kind ? package.weights.find({slot.node, *slot.kind}) : package.weights.end();
    parameters_[{slot.node, slot.local}] = encoded == package.weights.end()
                                               ? package.parameters.at(slot.name)
                                               : decode(encoded->second);
  }
  for (const auto& [point, format] : package.activations)
    if (!std::holds_alternative<FloatFormat>(format)) formats_[point] = &format;
  format_what_enters_concats();
  look_through_dropout();
  choose_absorbed_ports();
}

Plan Planner::plan() && {
  plan_.name = graph_.name;
  plan_.input_shape = graph_.input_shape;
  plan_.class_count = graph_.class_count;
  plan_.value_of_node.assign(graph_.nodes.size(), -1);
  for (const Node& node : graph_.nodes)
    if (is_one_of<op::Propagate, op::Attention, op::ReadOut>(node.operation))
      plan_.needs_topology = true;
  PlanValue input;
  input.name = graph_.nodes[0].name;
  input.shape = graph_.input_shape;
  input.rows = plan_.needs_topology ? Rows::GraphNode : Rows::Sample;
  plan_.values.push_back(std::move(input));
  for (int i = 0; i <= graph_.output(); ++i) place(i);
  for (int i = 0; i <= graph_.output(); ++i)
    if (through_[static_cast<size_t>(i)] != i)
      plan_.value_of_node[static_cast<size_t>(i)] =
          plan_.value_of_node[static_cast<size_t>(through_[static_cast<size_t>(i)])];
  plan_.output = value_of(graph_.output());
  return std::move(plan_);
}

std::string Planner::where(int i, const char* what) const {
  return fmt::format("The plan of {}: {} of node {}", graph_.name, what, node(i).name);
}

int Planner::new_value(const std::string& name, std::vector<int64_t> shape, Rows rows) {
  PlanValue made;
  made.name = name;
  made.shape = std::move(shape);
  made.rows = rows;
  plan_.values.push_back(std::move(made));
  return static_cast<int>(plan_.values.size()) - 1;
}

Chain Planner::leaf(int v) {
  Chain chain;
  chain.work = Identity{};
  chain.inputs = {v};
  chain.a = one(scale_of(v));
  if (const auto& grid = value(v).grid) {
    chain.accumulator = Accumulator::Int32;
    chain.least_acc = grid->low;
    chain.most_acc = grid->high;
  }
  return chain;
}

int Planner::operand(int i, int port) {
  const int from = producer(i, port), v = value_of(from);
  const Format* format = format_at(i, PointKind::Input, port);
  if (!format) return v;
  const Point point = point_of_input(i, port);
  if (value(v).point && *value(v).point == point) return v;
  return emit(leaf(v), shape(from), value(v).rows, format, point, name_of_input(i, port));
}

int Planner::emit(Chain chain, const std::vector<int64_t>& shape, Rows rows, const Format* format,
                  std::optional<Point> point, const std::string& name) {
  Step step;
  step.name = name;
  std::optional<ValueGrid> grid;
  double bits = 32;
  std::optional<PlannedFormat> target;
  if (format) {
    target = planned(*format, fmt::format("The plan of {}: {}", graph_.name, name));
    bits = mean_bits(*format);
  } else if (chain.relu) {
    target = kept_grid(chain);
    if (target) bits = value(chain.inputs[0]).bits;
  }
  step.finish = finish_of(chain, target ? target->factor : 1, target ? target->shift : 0,
                          shape.empty() ? 1 : shape[0], plan_.values);
  if (chain.relu && target)
    absorb_relu(chain.relu_most, *target, step.finish);
  else if (chain.relu) {
    step.finish.least = 0;
    if (chain.relu_most > 0) step.finish.most = static_cast<float>(chain.relu_most);
  }
  if (target) {
    step.finish.quantization = target->quantization;
    grid = target->grid;
  }
  std::sort(chain.nodes.begin(), chain.nodes.end());
  step.nodes = std::move(chain.nodes);
  step.work = std::move(chain.work);
  step.inputs = std::move(chain.inputs);
  step.accumulator = chain.accumulator;
  step.least_acc = chain.least_acc;
  step.most_acc = chain.most_acc;
  step.output = new_value(name, shape, rows);
  PlanValue& made = value(step.output);
  made.grid = std::move(grid);
  made.bits = bits;
  made.point = point;
  plan_.steps.push_back(std::move(step));
  return static_cast<int>(plan_.values.size()) - 1;
}

std::optional<PlannedFormat> Planner::kept_grid(const Chain& chain) {
  const bool alone = std::holds_alternative<Identity>(chain.work) && chain.addends.empty() &&
                     chain.relu_most == 0 && chain.nodes.size() == 1;
  const auto& grid = value(chain.inputs[0]).grid;
  if (!alone || !grid) return std::nullopt;
  PlannedFormat out;
  out.factor = 1 / static_cast<double>(grid->scale);
  out.quantization.low = 0;
  out.quantization.high = grid->high;
  out.grid = grid;
  out.grid->low = 0;
  out.grid->levels = Tensor();
  if (grid->codes.step != 1) out.grid->codes = {};
  return out;
}

void Planner::place(int i) {
  if (through(i) != i) return;
  const Node& at = node(i);
  const auto index = static_cast<size_t>(i);
  if (is_absorbed(i)) return;
  const Format* own = format_at(i, PointKind::Output);
  std::optional<Point> point;
  if (own) point = Point{i, PointKind::Output};
  const Format* format = own;
  const auto* next = only_consumer(i);
  if (!own && next) {
    // What is read in one place only is put on that place's grid at once.
    format = format_at(next->first, PointKind::Input, next->second);
    if (format) point = point_of_input(next->first, next->second);
  }
  const std::string name = !point || own ? at.name : name_of_input(next->first, next->second);
  if (is_one_of<op::Input, op::Dropout>(at.operation) || moves(at.operation)) {
    int v = 0;
    if (std::holds_alternative<op::Dropout>(at.operation)) v = operand(i, 0);
    if (moves(at.operation)) v = move(i);
    Chain chain = leaf(v);
    chain.nodes = {i};
    if (own) v = emit(std::move(chain), shape(i), value(v).rows, format, point, name);
    if (format_of_concat_.count(i)) value(v).point = Point{i, PointKind::Output};
    plan_.value_of_node[index] = v;
    return;
  }
  Chain chain = chain_of(i);
  const Rows rows =
      std::holds_alternative<ReadOut>(chain.work) ? Rows::Graph : value(chain.inputs[0]).rows;
  plan_.value_of_node[index] = emit(std::move(chain), shape(i), rows, format, point, name);
}

int Planner::move(int i) {
  std::vector<int> inputs;
  for (int port = 0; port < static_cast<int>(node(i).inputs.size()); ++port)
    inputs.push_back(operand(i, port));
  const auto& first = value(inputs[0]).grid;
  const bool one_grid = std::all_of(inputs.begin(), inputs.end(), [&](int v) {
    return value(v).grid.has_value() && first && value(v).grid->scale == first->scale;
  });
  const bool on_grids =
      std::any_of(inputs.begin(), inputs.end(), [&](int v) { return value(v).grid.has_value(); });
  if (on_grids && !one_grid)
    for (int& v : inputs)
      if (value(v).grid)
        v = emit(leaf(v), value(v).shape, value(v).rows, nullptr, std::nullopt,
                 value(v).name + ".real");
  std::optional<ValueGrid> grid;
  double bits = 0;
  for (int v : inputs) {
    bits += value(v).bits / static_cast<double>(inputs.size());
    if (one_grid) grid = grid ? joined(*grid, *value(v).grid) : value(v).grid;
  }
  const Rows rows = value(inputs[0]).rows;
  Step step;
  step.name = node(i).name;
  step.nodes = {i};
  step.work = Move{node(i).operation};
  step.inputs = inputs;
  step.output = new_value(node(i).name, shape(i), rows);
  value(step.output).grid = grid;
  value(step.output).bits = bits;
  step.accumulator = grid ? Accumulator::Int32 : Accumulator::Float;
  if (grid) {
    step.least_acc = grid->low;
    step.most_acc = grid->high;
  }
  plan_.steps.push_back(std::move(step));
  return plan_.steps.back().output;
}

ValueGrid Planner::joined(ValueGrid a, const ValueGrid& b) {
  a.low = std::min(a.low, b.low);
  a.high = std::max(a.high, b.high);
  const bool same = a.codes.uniform == b.codes.uniform && a.codes.low == b.codes.low &&
                    a.codes.high == b.codes.high && a.codes.zero_point == b.codes.zero_point &&
                    a.codes.step == b.codes.step;
  if (!same) a.codes = {};
  const bool same_levels = a.levels.defined() == b.levels.defined() &&
                           (!a.levels.defined() || torch::equal(a.levels, b.levels));
  if (!same_levels) a.levels = Tensor();
  return a;
}

Plan make_plan(const Package& package) {
  check(package, "The package of " + package.graph.name);
  const torch::NoGradGuard no_grad;
  return Planner(package).plan();
}

}  // namespace quantbench
