// How a package becomes a plan: which nodes go into one step, and what each step computes. Internal
// to the planner's files; plan.h is what others read. One object makes one plan: values and steps
// in plan.cpp, the grouping of nodes in plan_grouping.cpp, products in plan_products.cpp, affine
// operations and pools in plan_affine.cpp, graph work in plan_messages.cpp.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "runtime/plan_chain.h"
#include "runtime/plan_grid.h"

namespace quantbench {

template <typename... Ops>
bool is_one_of(const Operation& operation) {
  return (std::holds_alternative<Ops>(operation) || ...);
}

inline bool moves(const Operation& o) {
  return is_one_of<op::MaxPool, op::Flatten, op::PadShortcut, op::Concat>(o);
}

// What may follow an accumulator within its step.
inline bool follows(const Operation& o) {
  return is_one_of<op::Bias, op::BatchNorm, op::Add, op::GinUpdate, op::Relu>(o);
}

inline bool sums(const Operation& o) {
  return is_one_of<op::Conv2d, op::Linear, op::AvgPool, op::GlobalAvgPool, op::Propagate,
                   op::ReadOut, op::Attention, op::Elu>(o);
}

inline Tensor one(double v) { return torch::full({1}, v, torch::kDouble); }

// The accumulator that holds every partial sum up to `largest`.
inline Accumulator accumulator_for(double largest) {
  return largest <= INT32_MAX ? Accumulator::Int32 : Accumulator::Int64;
}

class Planner {
 public:
  explicit Planner(const Package& package);
  Plan plan() &&;

 private:
  // --- values and steps (plan.cpp) ---

  const Node& node(int i) const { return graph_.nodes[static_cast<size_t>(i)]; }
  const std::vector<int64_t>& shape(int i) const { return shapes_[static_cast<size_t>(i)]; }
  const Format* format_at(int i, PointKind kind, int port = 0) const {
    const auto found = formats_.find({i, kind, port});
    return found == formats_.end() ? nullptr : found->second;
  }
  Tensor parameter(int i, const char* name) const {
    const auto found = parameters_.find({i, name});
    return found == parameters_.end() ? Tensor() : found->second;
  }
  std::string where(int i, const char* what) const;
  PlanValue& value(int v) { return plan_.values[static_cast<size_t>(v)]; }
  int value_of(int i) const { return plan_.value_of_node[static_cast<size_t>(through(i))]; }
  double scale_of(int v) { return value(v).grid ? static_cast<double>(value(v).grid->scale) : 1.0; }
  int new_value(const std::string& name, std::vector<int64_t> shape, Rows rows);
  Chain leaf(int v);
  // The value that enters node i at `port`, on its input's grid if it has one.
  int operand(int i, int port);
  int emit(Chain chain, const std::vector<int64_t>& shape, Rows rows, const Format* format,
           std::optional<Point> point, const std::string& name);
  // A ReLU without a format leaves its operand's integers where they are.
  std::optional<PlannedFormat> kept_grid(const Chain& chain);
  void place(int i);
  int move(int i);
  static ValueGrid joined(ValueGrid a, const ValueGrid& b);

  // --- which nodes go together (plan_grouping.cpp) ---

  // A Concat's one format for its whole output is put on each of its inputs instead: none of them
  // passes through floats.
  void format_what_enters_concats();
  // Whose format a value has that is on the grid of node i's input.
  Point point_of_input(int i, int port) const {
    if (format_of_concat_.count(i)) return {i, PointKind::Output};
    return {i, PointKind::Input, port};
  }
  std::string name_of_input(int i, int port) const {
    const std::string name = node(i).name + ".input";
    return format_of_concat_.count(i) ? name + std::to_string(port) : name;
  }
  // Dropout does nothing here: a node without formats is the node before it.
  void look_through_dropout();
  int through(int i) const { return through_[static_cast<size_t>(i)]; }
  int producer(int consumer, int port) const {
    return through(node(consumer).inputs[static_cast<size_t>(port)]);
  }
  bool is_output(int i) const { return through(graph_.output()) == i; }
  // The only place that reads node i, when there is one.
  const std::pair<int, int>* only_consumer(int i) const;
  // Whether node i can go into the step of what follows it.
  bool may_be_absorbed(int i) const;
  // Which port's producer goes into the step of each node; -1: none. Sums come first.
  void choose_absorbed_ports();
  int absorbed_port(int i) const { return absorbed_port_[static_cast<size_t>(i)]; }
  bool is_absorbed(int i) const;

  // --- affine operations and pools (plan_affine.cpp) ---

  // What enters node i at `port`: the step of its producer, still open, or a value.
  Chain entering(int i, int port);
  Chain chain_of(int i);
  template <typename Other>
  Chain chain_of(int i, const Other&) {
    fail("{} cannot be planned.", where(i, name_of(node(i).operation)));
  }
  Chain chain_of(int i, const op::Bias&);
  void add_bias(Chain& chain, int i);
  Chain chain_of(int i, const op::BatchNorm& norm);
  Chain chain_of(int i, const op::Relu& relu);
  Chain combine(int i, const std::vector<double>& factors);
  Chain chain_of(int i, const op::Add&);
  Chain chain_of(int i, const op::GinUpdate&);
  Chain pool(int i, const SumPool& work, int64_t count);
  Chain chain_of(int i, const op::AvgPool& p);
  Chain chain_of(int i, const op::GlobalAvgPool&);

  // --- products (plan_products.cpp) ---

  Chain product(int i, const Operation& operation);
  Chain chain_of(int i, const op::Conv2d& o);
  Chain chain_of(int i, const op::Linear& o);
  static void multiply_integers(const Encoding& encoding, const ValueGrid& grid, Product& work,
                                Chain& chain);

  // --- messages (plan_messages.cpp) ---

  // How many summands meet is for the batch to say.
  static void forget_bounds(Chain& chain);
  Chain chain_of(int i, const op::Elu&);
  Chain chain_of(int i, const op::ReadOut& o);
  Chain chain_of(int i, const op::Propagate& o);
  Chain chain_of(int i, const op::Attention& o);

  const Package& package_;
  const Graph& graph_;
  const std::vector<std::vector<int64_t>> shapes_;
  std::map<std::pair<int, std::string>, Tensor> parameters_;
  std::map<Point, const Format*> formats_;
  std::map<int, const Format*> format_of_concat_;      // that its inputs have in its place
  std::vector<int> through_, absorbed_port_, length_;  // of each node
  std::vector<bool> has_sum_;
  std::vector<std::vector<std::pair<int, int>>> consumers_;  // of each node: (node, port)
  Plan plan_;
};

}  // namespace quantbench
