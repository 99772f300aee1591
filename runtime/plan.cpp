#include "runtime/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "runtime/package_check.h"
#include "runtime/plan_chain.h"
#include "runtime/plan_grid.h"
#include "runtime/slots.h"

namespace quantbench {
namespace {

constexpr int kLongestChain = 64;                   // nodes in a step
constexpr double kLargestSum = 9007199254740992.0;  // 2^53: float64 holds every integer up to it

template <typename... Ops>
bool is_one_of(const Operation& operation) {
  return (std::holds_alternative<Ops>(operation) || ...);
}

bool moves(const Operation& o) {
  return is_one_of<op::MaxPool, op::Flatten, op::PadShortcut, op::Concat>(o);
}

// What may follow an accumulator within its step.
bool follows(const Operation& o) {
  return is_one_of<op::Bias, op::BatchNorm, op::Add, op::GinUpdate, op::Relu>(o);
}

bool sums(const Operation& o) {
  return is_one_of<op::Conv2d, op::Linear, op::AvgPool, op::GlobalAvgPool, op::Propagate,
                   op::ReadOut, op::Attention, op::Elu>(o);
}

Tensor one(double v) { return torch::full({1}, v, torch::kDouble); }

float real_one(const Tensor& t) { return t.flatten()[0].item<float>(); }

// Bounds of the sums of one output's products, over all outputs.
struct SumBounds {
  double least = 0, most = 0, partial = 0;
};

SumBounds bounds_of(const Tensor& integers, const ValueGrid& grid) {
  const Tensor rows = integers.flatten(1).to(torch::kDouble);
  const Tensor up = rows.clamp_min(0).sum(1), down = rows.clamp_max(0).sum(1);
  const auto low = static_cast<double>(grid.low), high = static_cast<double>(grid.high);
  SumBounds out;
  out.most = (up * high + down * low).max().item<double>();
  out.least = (up * low + down * high).min().item<double>();
  out.partial = rows.abs().sum(1).max().item<double>() * std::max(-low, high);
  return out;
}

Accumulator accumulator_for(double largest) {
  return largest <= INT32_MAX ? Accumulator::Int32 : Accumulator::Int64;
}

class Planner {
 public:
  explicit Planner(const Package& package)
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
    look_through_dropout();
    choose_absorbed_ports();
  }

  Plan plan() && {
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

 private:
  // --- reading the graph ---

  const Node& node(int i) const { return graph_.nodes[static_cast<size_t>(i)]; }
  const std::vector<int64_t>& shape(int i) const { return shapes_[static_cast<size_t>(i)]; }

  const Format* format_at(int i, PointKind kind, int port = 0) const {
    const auto found = formats_.find({i, kind, port});
    return found == formats_.end() ? nullptr : found->second;
  }

  // Dropout does nothing here: a node without formats is the node before it.
  void look_through_dropout() {
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
  int through(int i) const { return through_[static_cast<size_t>(i)]; }
  int producer(int consumer, int port) const {
    return through(node(consumer).inputs[static_cast<size_t>(port)]);
  }
  bool is_output(int i) const { return through(graph_.output()) == i; }

  // The only place that reads node i, when there is one.
  const std::pair<int, int>* only_consumer(int i) const {
    const auto& all = consumers_[static_cast<size_t>(i)];
    return all.size() == 1 && !is_output(i) ? &all[0] : nullptr;
  }

  // Whether node i can go into the step of what follows it.
  bool may_be_absorbed(int i) const {
    const auto* next = only_consumer(i);
    if (!next || format_at(i, PointKind::Output) ||
        format_at(next->first, PointKind::Input, next->second))
      return false;
    const Operation& o = node(i).operation;
    return (sums(o) || (follows(o) && !std::holds_alternative<op::Relu>(o))) &&
           follows(node(next->first).operation);
  }

  // Which port's producer goes into the step of each node; -1: none. Sums come first.
  void choose_absorbed_ports() {
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

  int absorbed_port(int i) const { return absorbed_port_[static_cast<size_t>(i)]; }

  bool is_absorbed(int i) const {
    if (!may_be_absorbed(i)) return false;
    const auto* next = only_consumer(i);
    return absorbed_port(next->first) == next->second;
  }

  Tensor parameter(int i, const char* name) const {
    const auto found = parameters_.find({i, name});
    return found == parameters_.end() ? Tensor() : found->second;
  }

  std::string where(int i, const char* what) const {
    return fmt::format("The plan of {}: {} of node {}", graph_.name, what, node(i).name);
  }

  // --- values ---

  PlanValue& value(int v) { return plan_.values[static_cast<size_t>(v)]; }
  int value_of(int i) const { return plan_.value_of_node[static_cast<size_t>(through(i))]; }

  double scale_of(int v) { return value(v).grid ? static_cast<double>(value(v).grid->scale) : 1.0; }

  int new_value(const std::string& name, std::vector<int64_t> shape, Rows rows) {
    PlanValue made;
    made.name = name;
    made.shape = std::move(shape);
    made.rows = rows;
    plan_.values.push_back(std::move(made));
    return static_cast<int>(plan_.values.size()) - 1;
  }

  Chain leaf(int v) {
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

  // The value that enters node i at `port`, on its input's grid if it has one.
  int operand(int i, int port) {
    const int from = producer(i, port), v = value_of(from);
    const Format* format = format_at(i, PointKind::Input, port);
    if (!format) return v;
    const Point point{i, PointKind::Input, port};
    if (value(v).point && *value(v).point == point) return v;
    return emit(leaf(v), shape(from), value(v).rows, format, point, node(i).name + ".input");
  }

  // --- steps ---

  int emit(Chain chain, const std::vector<int64_t>& shape, Rows rows, const Format* format,
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

  // A ReLU without a format leaves its operand's integers where they are.
  std::optional<PlannedFormat> kept_grid(const Chain& chain) {
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

  void place(int i) {
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
      if (format) point = Point{next->first, PointKind::Input, next->second};
    }
    const std::string name =
        !point || point->kind == PointKind::Output ? at.name : node(next->first).name + ".input";
    if (is_one_of<op::Input, op::Dropout>(at.operation) || moves(at.operation)) {
      int v = 0;
      if (std::holds_alternative<op::Dropout>(at.operation)) v = operand(i, 0);
      if (moves(at.operation)) v = move(i);
      Chain chain = leaf(v);
      chain.nodes = {i};
      if (own) v = emit(std::move(chain), shape(i), value(v).rows, format, point, name);
      plan_.value_of_node[index] = v;
      return;
    }
    Chain chain = chain_of(i);
    const Rows rows =
        std::holds_alternative<ReadOut>(chain.work) ? Rows::Graph : value(chain.inputs[0]).rows;
    plan_.value_of_node[index] = emit(std::move(chain), shape(i), rows, format, point, name);
  }

  int move(int i) {
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

  static ValueGrid joined(ValueGrid a, const ValueGrid& b) {
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

  // --- chains ---

  // What enters node i at `port`: the step of its producer, still open, or a value.
  Chain entering(int i, int port) {
    const int from = producer(i, port);
    if (is_absorbed(from) && absorbed_port(i) == port) return chain_of(from);
    return leaf(operand(i, port));
  }

  Chain chain_of(int i) {
    Chain chain = std::visit([&](const auto& o) { return chain_of(i, o); }, node(i).operation);
    chain.nodes.push_back(i);
    return chain;
  }

  template <typename Other>
  Chain chain_of(int i, const Other&) {
    fail("{} cannot be planned.", where(i, name_of(node(i).operation)));
  }

  Chain chain_of(int i, const op::Bias&) {
    require(shape(i).size() == 1, "{} over images is not known to plans.", where(i, "a Bias"));
    Chain chain = entering(i, 0);
    add_bias(chain, i);
    return chain;
  }

  void add_bias(Chain& chain, int i) {
    const Tensor bias = parameter(i, "bias");
    if (!bias.defined()) return;
    chain.add(bias.to(torch::kDouble));
    if (package_.weights.count({i, PointKind::Bias}) == 0) chain.plain_bias = true;
  }

  Chain chain_of(int i, const op::BatchNorm& norm) {
    Chain chain = entering(i, 0);
    const auto real = [&](const char* name) { return parameter(i, name).to(torch::kDouble); };
    const Tensor factor = real("weight") / torch::sqrt(real("running_var") + norm.eps);
    chain.multiply(factor);
    chain.add(real("bias") - real("running_mean") * factor);
    chain.plain_bias = true;
    return chain;
  }

  Chain chain_of(int i, const op::Relu& relu) {
    Chain chain = entering(i, 0);
    chain.relu = true;
    chain.relu_most = relu.max;
    return chain;
  }

  Chain combine(int i, const std::vector<double>& factors) {
    const int main = std::max(absorbed_port(i), 0);
    Chain chain = entering(i, main);
    chain.multiply(one(factors[static_cast<size_t>(main)]));
    const int other = operand(i, 1 - main);
    chain.addends.push_back({other, one(factors[static_cast<size_t>(1 - main)] * scale_of(other))});
    return chain;
  }
  Chain chain_of(int i, const op::Add&) { return combine(i, {1, 1}); }
  Chain chain_of(int i, const op::GinUpdate&) {
    const double eps = real_one(parameter(i, "eps"));
    return combine(i, {1 + eps, 1});
  }

  Chain product(int i, const Operation& operation) {
    const int v = operand(i, 0);
    Product work;
    work.operation = operation;
    work.macs = count_macs(graph_)[static_cast<size_t>(i)];
    const auto encoded = package_.weights.find({i, PointKind::Weight, 0});
    const Tensor weight = parameter(i, "weight");
    work.code_bits =
        encoded == package_.weights.end() ? 32 * weight.numel() : code_bits(encoded->second);
    work.weights = FloatWeights{weight.contiguous()};
    Chain chain;
    if (encoded != package_.weights.end() && value(v).grid)
      multiply_integers(encoded->second, *value(v).grid, work, chain);
    chain.work = std::move(work);
    chain.inputs = {v};
    add_bias(chain, i);
    return chain;
  }
  Chain chain_of(int i, const op::Conv2d& o) { return product(i, o); }
  Chain chain_of(int i, const op::Linear& o) { return product(i, o); }

  static void multiply_integers(const Encoding& encoding, const ValueGrid& grid, Product& work,
                                Chain& chain) {
    if (auto* planes = std::get_if<MultiBitEncoding>(&encoding)) {
      const auto length = static_cast<double>(planes->signs.size(1));
      if (length * static_cast<double>(std::max(-grid.low, grid.high)) > INT32_MAX) return;
      work.weights = MultiBitWeights{*planes};
      chain.a = one(grid.scale);
      return;
    }
    auto weights = integer_weights(encoding);
    if (!weights) return;
    const SumBounds bounds = bounds_of(weights->integers, grid);
    if (bounds.partial > kLargestSum) return;
    chain.accumulator = accumulator_for(bounds.partial);
    chain.least_acc = static_cast<int64_t>(bounds.least);
    chain.most_acc = static_cast<int64_t>(bounds.most);
    chain.a = (weights->scale.to(torch::kDouble) * static_cast<double>(grid.scale)).contiguous();
    work.weights = std::move(*weights);
  }

  Chain pool(int i, int64_t kernel, int64_t stride, int64_t count) {
    Chain chain = leaf(operand(i, 0));
    chain.work = SumPool{kernel, stride};
    chain.a = chain.a / static_cast<double>(count);
    chain.least_acc *= count;
    chain.most_acc *= count;
    if (chain.accumulator != Accumulator::Float)
      chain.accumulator =
          accumulator_for(static_cast<double>(std::max(-chain.least_acc, chain.most_acc)));
    return chain;
  }
  Chain chain_of(int i, const op::AvgPool& p) {
    return pool(i, p.kernel, p.stride, p.kernel * p.kernel);
  }
  Chain chain_of(int i, const op::GlobalAvgPool&) {
    const auto& image = shape(producer(i, 0));
    return pool(i, 0, 1, image[1] * image[2]);
  }

  // How many summands meet is for the batch to say.
  static void forget_bounds(Chain& chain) {
    if (chain.accumulator != Accumulator::Float) chain.accumulator = Accumulator::Int64;
    chain.least_acc = chain.most_acc = 0;
  }

  Chain chain_of(int i, const op::Elu&) {
    Chain chain = leaf(operand(i, 0));
    chain.work = EluWork{};
    chain.a = one(1);
    chain.accumulator = Accumulator::Float;
    chain.least_acc = chain.most_acc = 0;
    return chain;
  }

  Chain chain_of(int i, const op::ReadOut& o) {
    Chain chain = leaf(operand(i, 0));
    chain.work = ReadOut{o.reduce};
    forget_bounds(chain);
    return chain;
  }

  Chain chain_of(int i, const op::Propagate& o) {
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

  Chain chain_of(int i, const op::Attention& o) {
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

  const Package& package_;
  const Graph& graph_;
  const std::vector<std::vector<int64_t>> shapes_;
  std::map<std::pair<int, std::string>, Tensor> parameters_;
  std::map<Point, const Format*> formats_;
  std::vector<int> through_, absorbed_port_, length_;  // of each node
  std::vector<bool> has_sum_;
  std::vector<std::vector<std::pair<int, int>>> consumers_;  // of each node: (node, port)
  Plan plan_;
};

}  // namespace

Plan make_plan(const Package& package) {
  check(package, "The package of " + package.graph.name);
  const torch::NoGradGuard no_grad;
  return Planner(package).plan();
}

PlanCost cost(const Plan& plan) {
  const auto value = [&](int v) -> const PlanValue& { return plan.values[static_cast<size_t>(v)]; };
  std::vector<int> origin(plan.values.size());
  for (size_t v = 0; v < origin.size(); ++v) origin[v] = static_cast<int>(v);
  for (const Step& step : plan.steps)
    if (std::holds_alternative<Move>(step.work) && step.inputs.size() == 1)
      origin[static_cast<size_t>(step.output)] = origin[static_cast<size_t>(step.inputs[0])];

  PlanCost out;
  double bits = 0, elements = 0;
  std::set<int> counted;
  for (const Step& step : plan.steps) {
    auto* product = std::get_if<Product>(&step.work);
    if (!product) continue;
    const int operand = origin[static_cast<size_t>(step.inputs[0])];
    int64_t weights = 0;
    std::visit(
        [&](const auto& w) {
          using W = std::decay_t<decltype(w)>;
          if constexpr (std::is_same_v<W, MultiBitWeights>) {
            weights = 1;
            for (int64_t size : w.encoding.shape) weights *= size;
          } else if constexpr (std::is_same_v<W, IntegerWeights>) {
            weights = w.integers.numel();
          } else {
            weights = w.values.numel();
          }
          if (!std::is_same_v<W, FloatWeights>) out.integer_macs += product->macs;
        },
        product->weights);
    out.macs += product->macs;
    out.weights += weights;
    out.code_bits += product->code_bits;
    out.bops += static_cast<double>(product->macs) * value(operand).bits *
                static_cast<double>(product->code_bits) / static_cast<double>(weights);
    if (!counted.insert(operand).second) continue;
    double size = 1;
    for (int64_t s : value(operand).shape) size *= static_cast<double>(s);
    bits += value(operand).bits * size;
    elements += size;
  }
  if (elements > 0) out.activation_bits = bits / elements;
  return out;
}

double integer_share(const Plan& plan) {
  const PlanCost of = cost(plan);
  return of.macs > 0 ? static_cast<double>(of.integer_macs) / static_cast<double>(of.macs) : 0;
}

}  // namespace quantbench
