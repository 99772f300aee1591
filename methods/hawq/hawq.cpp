#include "methods/hawq/hawq.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "methods/common/hessian.h"
#include "methods/common/staged_quantizer.h"

namespace quantbench {
namespace {

std::vector<size_t> descending(const std::vector<double>& keys) {
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return keys[a] > keys[b]; });
  return order;
}

// The parameters of a layer and of the BatchNorm right behind it.
std::vector<Tensor> parameters_of(const Network& network, int node) {
  std::vector<Tensor> out;
  const auto add = [&](int of) {
    for (const char* name : {"weight", "bias"})
      if (const Tensor parameter = network.parameter(of, name); parameter.defined())
        out.push_back(parameter);
  };
  add(node);
  const auto consumers = network.graph().consumers();
  for (int next : consumers[static_cast<size_t>(node)])
    if (std::holds_alternative<op::BatchNorm>(
            network.graph().nodes[static_cast<size_t>(next)].operation))
      add(next);
  return out;
}

}  // namespace

MethodCard hawq_card() {
  MethodCard card;
  card.name = "hawq";
  card.title =
      "HAWQ: bits and the order of fine-tuning by the top Hessian eigenvalue of each layer";
  card.paper =
      "Dong et al., HAWQ: Hessian AWare Quantization of Neural Networks with Mixed-Precision, ICCV "
      "2019";
  card.arxiv = "1905.03696";
  card.year = 2019;
  card.quantizes = "weights, activations";
  card.options = mixed_precision_options();
  card.options.push_back(Option::integer(
      "stages", 0, 0, 1000,
      "groups of layers that are quantized one after the other; 0: every layer its own, as "
      "published, as far as the epochs go"));
  card.options.push_back(
      Option::integer("stage_epochs", 1, 0, 1000, "epochs of each stage; 0: everything at once"));
  card.options.push_back(
      Option::integer("final_epochs", 1, 0, 100000, "epochs kept for the end, with all on"));
  card.options.push_back(Option::choice("stage_trains", "all", {"all", "block"},
                                        "what learns in a stage: all, or the new layers only"));
  return card;
}

QUANTBENCH_METHOD(hawq_card(), Hawq);

Hawq::Hawq(const OptionValues& options) : MixedPrecision("hawq", options) {}

void Hawq::choose(MethodContext& context) {
  const Graph& graph = context.network.graph();
  const std::vector<Site> sites = weight_sites(graph);
  std::vector<Tensor> weights;
  for (const Site& site : sites)
    weights.push_back(context.network.parameter(site.point.node, "weight"));
  const BlockHessian hessian(context.loss, hessian_batches(context), weights);
  std::vector<Eigenvalue> eigenvalues;
  for (size_t i = 0; i < sites.size(); ++i)
    eigenvalues.push_back(hessian.top_eigenvalue(i, context.random.child(i)));

  // Bits fall along the order of S = lambda / n (section 3.2); of those choices the one of least
  // total lambda |dW|^2 stands in for the authors' choice by hand.
  std::set<std::string> free;
  for (const Site& site : free_weight_sites(graph, options())) free.insert(site.name);
  std::vector<BitOptions> groups;
  std::vector<double> ratio;
  std::vector<size_t> chosen_from;  // indices into sites
  double limit = 0;
  for (size_t i = 0; i < sites.size(); ++i) {
    if (free.count(sites[i].name) == 0) continue;
    const auto elements = static_cast<double>(sites[i].elements);
    const double lambda = std::max(0.0, eigenvalues[i].largest);
    chosen_from.push_back(i);
    groups.push_back(weight_options(weights[i], elements, lambda));
    ratio.push_back(lambda / elements);
    limit += elements * options().real("weight_bits");
  }
  if (!groups.empty()) {
    const BitChoice choice = least_monotone(groups, descending(ratio), limit);
    double elements = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      bits_[sites[chosen_from[g]].name] = groups[g][choice.picks[g]].bits;
      elements += static_cast<double>(sites[chosen_from[g]].elements);
    }
    evidence_["bits"] = "auto";
    evidence_["budget"] = limit;
    evidence_["cost"] = choice.cost;
    evidence_["omega"] = choice.perturbation;
    evidence_["mean_bits"] = choice.cost / elements;
    evidence_["bound"] = relaxed_bound(groups, limit);
  }

  // Omega = lambda |Q(W) - W|^2 at the chosen bits: the order of the stages (section 3.3).
  std::vector<double> omega;
  evidence_["layers"] = nlohmann::json::array();
  for (size_t i = 0; i < sites.size(); ++i) {
    const double distance = perturbation(weights[i], bits_of(sites[i]).bits());
    omega.push_back(std::max(0.0, eigenvalues[i].largest) * distance);
    evidence_["layers"].push_back(
        {{"site", sites[i].name},
         {"elements", sites[i].elements},
         {"eigenvalue", eigenvalues[i].largest},
         {"eigenvalue_of_largest_magnitude", eigenvalues[i].largest_abs},
         {"products", eigenvalues[i].products},
         {"s", eigenvalues[i].largest / static_cast<double>(sites[i].elements)},
         {"omega", omega.back()},
         {"bits", bits_of(sites[i]).bits()}});
  }
  order_.clear();
  for (size_t i : descending(omega)) order_.push_back(sites[i].name);
  evidence_["stage_order"] = order_;
  context.log(fmt::format("HAWQ: {} layers, stages begin with {}", sites.size(), order_.front()));
}

std::vector<std::vector<std::string>> Hawq::stages(int64_t epochs) const {
  const int64_t each = options().integer("stage_epochs"), asked = options().integer("stages");
  if (each == 0) return {};
  const auto layers = static_cast<int64_t>(order_.size());
  const int64_t fit = std::max<int64_t>(0, epochs - options().integer("final_epochs")) / each;
  const int64_t count = std::min({fit, layers, asked > 0 ? asked : layers});
  std::vector<std::vector<std::string>> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < layers && count > 0; ++i)
    out[static_cast<size_t>(i * count / layers)].push_back(order_[static_cast<size_t>(i)]);
  return out;
}

std::shared_ptr<Quantizer> Hawq::quantizer(const Graph& graph, const Site& site) const {
  return std::make_shared<StagedQuantizer>(MixedPrecision::quantizer(graph, site));
}

std::vector<Phase> Hawq::phases(Network& network, const TrainingBudget& budget) {
  std::vector<Phase> all = MixedPrecision::phases(network, budget);
  stages_ = all.empty() ? std::vector<std::vector<std::string>>{} : stages(budget.epochs);
  if (stages_.empty()) return all;

  std::map<std::string, int> node_of;
  for (const Site& site : weight_sites(network.graph())) node_of[site.name] = site.point.node;
  const bool block = options().text("stage_trains") == "block";
  const int64_t each = options().integer("stage_epochs");
  std::vector<Phase> out;
  for (const auto& stage : stages_) {
    Phase phase = all.front();
    phase.name = fmt::format("stage {}", out.size() + 1);
    phase.epochs = each;
    phase.schedule.first_epoch += static_cast<double>(each) * static_cast<double>(out.size());
    phase.keep_optimizer = !block && !out.empty();
    if (block) {
      phase.groups.front().parameters.clear();
      for (const std::string& weight : stage)
        for (const Tensor& parameter : parameters_of(network, node_of.at(weight)))
          phase.groups.front().parameters.push_back(parameter);
    }
    out.push_back(std::move(phase));
  }
  const int64_t used = each * static_cast<int64_t>(out.size());
  if (budget.epochs > used) {
    Phase last = all.front();
    last.name = "all";
    last.epochs = budget.epochs - used;
    last.schedule.first_epoch += static_cast<double>(used);
    last.keep_optimizer = !block;
    out.push_back(std::move(last));
  }
  return out;
}

void Hawq::switch_on(Network& network, const std::vector<std::string>& weights) {
  const std::set<std::string> on(weights.begin(), weights.end());
  std::set<Point> operands;
  const auto set = [&](const Point& point, bool value) {
    if (const auto tap = std::dynamic_pointer_cast<StagedQuantizer>(network.tap(point)))
      tap->switch_on(value);
  };
  for (const Site& site : weight_sites(network.graph())) {
    const bool now = on.count(site.name) > 0;
    set(site.point, now);
    if (now) operands.insert(operand_of(network.graph(), site.point.node));
  }
  for (const Site& site : operand_sites(network.graph()))
    set(site.point, operands.count(site.point) > 0);
  on_ = weights;
}

void Hawq::attach(Network& network) {
  MixedPrecision::attach(network);
  if (on_) switch_on(network, *on_);
}

void Hawq::begin_phase(MethodContext& context, int phase) {
  const size_t reached = static_cast<size_t>(phase) + 1;
  std::vector<std::string> on;
  for (size_t stage = 0; stage < std::min(reached, stages_.size()); ++stage)
    on.insert(on.end(), stages_[stage].begin(), stages_[stage].end());
  switch_on(context.network, reached > stages_.size() ? order_ : on);
}

void Hawq::freeze(MethodContext& context) { switch_on(context.network, order_); }

MethodState Hawq::save() const {
  MethodState state = MixedPrecision::save();
  state.values["order"] = order_;
  if (on_) state.values["on"] = *on_;
  return state;
}

void Hawq::load(const MethodState& state) {
  MixedPrecision::load(state);
  order_ = state.values.at("order").get<std::vector<std::string>>();
  on_.reset();
  if (state.values.contains("on")) on_ = state.values["on"].get<std::vector<std::string>>();
}

}  // namespace quantbench
