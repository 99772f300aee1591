#include "methods/hgq/hgq.h"

#include <cmath>

#include "methods/hgq/widths.h"

namespace quantbench {
namespace {

using hgq::ActivationQuantizer;
using hgq::WeightQuantizer;

constexpr char kOwner[] = "method hgq";
constexpr double kAdamEpsilon = 1e-7;  // Keras' default, with which the paper was trained
constexpr double kLowestRate = 1e-6;   // of the cosine cycles, of the first rate

std::vector<int64_t> weight_shape(const Site& site, const std::string& granularity) {
  std::vector<int64_t> shape = site.shape;
  if (granularity == "element") return shape;
  std::fill(shape.begin() + (granularity == "channel" ? 1 : 0), shape.end(), 1);
  return shape;
}

std::vector<int64_t> activation_shape(const Site& site, const std::string& granularity) {
  if (granularity == "layer") return {1};
  if (granularity == "channel" && site.shape.size() == 3) return {site.shape[0], 1, 1};
  return site.shape;
}

// The quantizer that the sum of node `index` meets next, itself or behind its ReLU.
std::shared_ptr<ActivationQuantizer> next_quantizer(const Network& network, int index) {
  const auto at = [&](int node) {
    return std::dynamic_pointer_cast<ActivationQuantizer>(network.tap({node, PointKind::Output}));
  };
  if (auto own = at(index)) return own;
  const std::vector<int> next = network.graph().consumers()[static_cast<size_t>(index)];
  if (next.size() != 1) return nullptr;
  const Node& node = network.graph().nodes[static_cast<size_t>(next[0])];
  return std::holds_alternative<op::Relu>(node.operation) ? at(next[0]) : nullptr;
}

double share(const Tensor& mask) { return mask.to(torch::kFloat64).mean().item<double>(); }

}  // namespace

MethodCard hgq_card() {
  MethodCard card;
  card.name = "hgq";
  card.version = 2;
  card.title = "HGQ: fixed-point bits of every weight and activation learned against EBOPs";
  card.paper =
      "Sun et al., HGQ: High Granularity Quantization for Real-time Neural Networks on FPGAs, "
      "FPGA 2026";
  card.arxiv = "2405.00645";
  card.year = 2024;
  card.quantizes = "weights, biases, activations";
  const std::vector<std::string> granularities{"element", "channel", "layer"};
  card.options = {
      Option::choice("weight_granularity", "element", granularities,
                     "what has its own number of fractional bits, of weights"),
      Option::choice("activation_granularity", "element", granularities,
                     "the same of activations (element: every neuron, every pixel)"),
      Option::real("weight_init_bits", 6, 0, 20, "significant bits that a weight starts with"),
      Option::real("activation_init_bits", 6, -20, 20,
                   "fractional bits that activations start with"),
      Option::flag("batch_norm", false,
                   "a BatchNorm in every layer, folded into weight and bias before they are "
                   "quantized, as published; for networks that have none"),
      Option::text("beta", "0:1e-6",
                   "price of an EBOP in the loss: START:FROM[:TO[:linear]] in epochs, pieces with "
                   "commas between; on a logarithmic scale unless linear"),
      Option::real("gamma", 2e-6, 0, 1, "price of a fractional bit, everywhere"),
      Option::integer("parallel", 1, 0, int64_t{1} << 30,
                      "output positions of a convolution that have multipliers of their own; 0: "
                      "all"),
      Option::choice("rounding", "half_up", {"half_up", "floor"}, "rounding of activations"),
      Option::choice("overflow", "wrap", {"wrap", "saturate"},
                     "what an activation beyond its calibrated range does"),
      Option::real("cover", 1, 0, 16, "how much wider than calibrated the ranges are made"),
      Option::integer("front", 16, 0, 1000,
                      "most states kept for the front of accuracy over EBOPs; 0: none"),
      Option::real("lr_cycle", 0, 0, 1e9,
                   "epochs of a cosine cycle of the rate, then it restarts; 0: the recipe's "
                   "schedule"),
      Option::real("lr_cycle_decay", 1, 0, 1, "factor of the rate at each restart"),
      Option::real("lr_cycle_hold", 0, 0, 1e9, "epochs at the end of a cycle at its lowest rate"),
  };
  return card;
}

QUANTBENCH_METHOD(hgq_card(), Hgq);

Hgq::Hgq(const OptionValues& options)
    : options_(options),
      beta_(options.text("beta"), kOwner),
      front_(static_cast<size_t>(options.integer("front"))) {}

void Hgq::plan(MethodContext& context) {
  const torch::NoGradGuard no_grad;
  int64_t nodes = 0;
  for (const Node& node : context.network.graph().nodes)
    nodes += std::holds_alternative<op::BatchNorm>(node.operation);
  if (normalises()) {
    require(nodes == 0, "{}: option batch_norm is for networks without BatchNorm, and {} has {}.",
            kOwner, context.network.graph().name, nodes);
    return;  // where f starts is known with the first batch
  }
  if (nodes > 0)
    context.log(fmt::format("HGQ: {} BatchNorm(s) stay in float; EBOPs do not count them", nodes));
  for (const Site& site : weight_sites(context.network.graph())) {
    const Tensor weight = context.network.parameter(site.point.node, "weight");
    const Tensor f = WeightQuantizer::initial_fraction(
        weight, weight_shape(site, options_.text("weight_granularity")),
        options_.real("weight_init_bits"));
    const double zeros = share(hgq::fixed_point(weight, f).value == 0);
    require(zeros < 1, "{}: all weights of {} start as zeros: raise weight_init_bits.", kOwner,
            site.name);
    if (zeros > 0.5)
      context.log(fmt::format("HGQ: {:.1f} % of {} start as zeros", 100 * zeros, site.name));
  }
}

std::shared_ptr<ActivationQuantizer> Hgq::activation(const Graph& graph, const Site& site,
                                                     torch::Device device) const {
  hgq::ActivationRule rule;
  rule.relu = is_relu(graph, site);
  rule.rounding = options_.text("rounding") == "floor" ? Rounding::Floor : Rounding::HalfUp;
  rule.overflow = options_.text("overflow") == "wrap" ? Overflow::Wrap : Overflow::Saturate;
  rule.cover = options_.real("cover");
  const Tensor f = torch::full(activation_shape(site, options_.text("activation_granularity")),
                               options_.real("activation_init_bits"));
  auto made = std::make_shared<ActivationQuantizer>(f, rule);
  made->to(device);
  return made;
}

void Hgq::attach(Network& network) {
  const Graph& graph = network.graph();
  layers_.clear();
  normalised_.clear();
  activations_.clear();
  fractions_.clear();
  const torch::Device device = network.parameters().front().device();
  std::vector<Site> sites = operand_sites(graph);
  for (Site& site : all_sites(graph))
    if (site.point == Point{graph.output(), PointKind::Output}) sites.push_back(std::move(site));
  std::map<Point, std::shared_ptr<ActivationQuantizer>> by_point;
  for (const Site& site : sites) {
    auto made = activation(graph, site, device);
    network.set_tap(site.point, made);
    by_point[site.point] = made;
    activations_.push_back(made);
    fractions_.push_back(made->fraction());
  }
  for (const Site& site : weight_sites(graph)) {
    const Tensor f = WeightQuantizer::initial_fraction(
        network.parameter(site.point.node, "weight"),
        weight_shape(site, options_.text("weight_granularity")), options_.real("weight_init_bits"));
    std::shared_ptr<WeightQuantizer> made;
    if (normalises()) {
      const Node& node = graph.nodes[static_cast<size_t>(site.point.node)];
      require(network.parameter(site.point.node, "bias").defined(),
              "{}: option batch_norm needs a bias in every layer, and {} has none.", kOwner,
              node.name);
      made = normalised_[site.point.node] =
          std::make_shared<hgq::NormalisedWeight>(f, node, site.shape[0]);
    } else {
      made = std::make_shared<WeightQuantizer>(f);
    }
    made->to(device);
    network.set_tap(site.point, made);
    fractions_.push_back(made->fraction());
    const hgq::LayerCost cost(graph, site.point.node, options_.integer("parallel"));
    layers_.push_back({cost, made, by_point.at(cost.operand())});
  }
  for (const Site& site : bias_sites(graph)) {
    auto next = next_quantizer(network, site.point.node);
    const auto weight = normalised_.find(site.point.node);
    require(next || weight == normalised_.end(),
            "{}: nothing is quantized behind layer {}, whose BatchNorm is to be folded.", kOwner,
            site.name);
    // A bias whose sum goes on in float (before a BatchNorm) stays float, too.
    if (!next) continue;
    if (weight == normalised_.end())
      network.set_tap(site.point, std::make_shared<hgq::BiasQuantizer>(std::move(next)));
    else
      network.set_tap(site.point,
                      std::make_shared<hgq::NormalisedBias>(std::move(next), weight->second));
  }
}

std::vector<Phase> Hgq::phases(Network& network, const TrainingBudget& budget) {
  std::vector<Phase> phases = Method::phases(network, budget);
  require(!phases.empty() || !normalises(),
          "{}: option batch_norm needs training: without it there are no statistics.", kOwner);
  for (Phase& phase : phases) {
    if (const double cycle = options_.real("lr_cycle"); cycle > 0) {
      phase.schedule.kind = Schedule::Kind::CosineRestarts;
      phase.schedule.cycle_epochs = cycle;
      phase.schedule.cycle_decay = options_.real("lr_cycle_decay");
      phase.schedule.cycle_hold = options_.real("lr_cycle_hold");
      phase.schedule.floor = kLowestRate;
    }
    OptimizerConfig optimizer = budget.optimizer;
    optimizer.eps = kAdamEpsilon;
    std::vector<Tensor> own = network.parameters(/*recurse=*/false);
    for (const auto& [node, weight] : normalised_) own.push_back(weight->gain());
    phase.groups = {{"network", std::move(own), optimizer}};
    optimizer.weight_decay = 0;  // gamma is theirs
    phase.groups.push_back({"bits", fractions_, optimizer});
  }
  return phases;
}

// One batch through the layers, each normalised before the next one sees it.
void Hgq::begin_phase(MethodContext& context, int index) {
  if (index > 0 || normalised_.empty()) return;
  const torch::NoGradGuard no_grad;
  for (const auto& [node, weight] : normalised_)
    weight->start_with_next_batch(options_.real("weight_init_bits"));
  context.network.train();
  context.network.forward(context.calibration.front());
}

void Hgq::before_step(Network&, const Progress& progress) {
  if (progress.step == 0)
    for (const auto& activation : activations_) activation->forget_range();
  beta_now_ = beta_.at(static_cast<double>(progress.epoch), static_cast<double>(progress.epochs));
}

Tensor Hgq::estimated_ebops() const {
  Tensor total;
  for (const Layer& layer : layers_) {
    const auto of = [](double sharing) { return 1 / std::sqrt(sharing); };
    const Tensor inputs = layer.operand->estimated_bits(
        of(layer.cost.operand_sharing(layer.operand->fraction().numel())));
    const Tensor weights = layer.weight->estimated_bits(
        of(layer.cost.weight_sharing(layer.weight->fraction().numel())));
    const Tensor ebops = layer.cost.ebops(layer.cost.arriving(inputs), weights);
    total = total.defined() ? total + ebops : ebops;
  }
  return total;
}

Tensor Hgq::loss_term(Network&, const Progress&) {
  return beta_now_ > 0 ? estimated_ebops() * beta_now_ : Tensor();
}

// The gradient of gamma times the sum of all f, without its many small operations.
void Hgq::after_backward(Network&, const Progress&) {
  const torch::NoGradGuard no_grad;
  const double gamma = options_.real("gamma");
  for (const Tensor& f : fractions_)
    if (Tensor& gradient = f.mutable_grad(); gradient.defined()) gradient.add_(gamma);
}

void Hgq::after_step(Network&, const Progress&) {
  const torch::NoGradGuard no_grad;
  for (Tensor& f : fractions_) f.clamp_(-hgq::kMostFractionBits, hgq::kMostFractionBits);
}

double Hgq::training_ebops(const Network& network) const {
  const torch::NoGradGuard no_grad;
  for (const Layer& layer : layers_)
    layer.weight->forward(network.parameter(layer.cost.node(), "weight"),
                          {Batch{}, nullptr, Rows::Parameter});
  return estimated_ebops().item<double>();
}

double Hgq::exact_ebops(const Network& network) const {
  const torch::NoGradGuard no_grad;
  double total = 0;
  for (const Layer& layer : layers_) {
    layer.weight->forward(network.parameter(layer.cost.node(), "weight"),
                          {Batch{}, nullptr, Rows::Parameter});
    const Tensor bits = layer.operand->exact_bits().to(torch::kFloat64);
    const Tensor enclosed = hgq::enclosed_bits(layer.weight->quantized()).to(torch::kFloat64);
    total += layer.cost.ebops(layer.cost.arriving(bits), enclosed).item<double>();
  }
  return total;
}

EpochVerdict Hgq::after_epoch(Network& network, const EpochReport& report) {
  EpochVerdict verdict;
  const bool validated = report.validation_loss != 0 || report.validation_top1 != 0;
  if (!validated) return verdict;  // nothing to choose by
  const std::string name = fmt::format("epoch-{:05}", report.progress.epoch + 1);
  const auto change = front_.insert({name, report.validation_top1, training_ebops(network)});
  if (change.kept) verdict.keep = name;
  verdict.drop = change.dropped;
  return verdict;
}

void Hgq::calibrate(MethodContext& context) {
  const torch::NoGradGuard no_grad;
  Network& network = context.network;
  network.eval();
  for (const auto& activation : activations_) {
    activation->forget_range();
    activation->calibrate(true);
  }
  for (const Batch& batch : context.calibration) network.forward(batch);
  for (const auto& activation : activations_) activation->calibrate(false);
}

void Hgq::freeze(MethodContext& context) {
  const bool ranges = activations_.front()->calibrated();
  const double estimate = ranges ? training_ebops(context.network) : NAN;
  for (const Layer& layer : layers_)
    layer.weight->limit(context.network.parameter(layer.cost.node(), "weight"));
  // Coarser activations have other ranges behind them.
  for (bool again = true; again;) {
    calibrate(context);
    again = false;
    for (const auto& activation : activations_) again = activation->limit() || again;
  }
  figures_ = {{"ebops", exact_ebops(context.network)}};
  if (ranges) figures_.emplace_back("ebops_training", estimate);
  describe(context.network);
}

void Hgq::describe(const Network& network) {
  const torch::NoGradGuard no_grad;
  const Graph& graph = network.graph();
  report_ = {{"layers", nlohmann::json::array()}};
  for (const auto& [name, value] : figures_) report_[name] = value;
  for (const Layer& layer : layers_) {
    const Tensor bits = layer.operand->exact_bits().to(torch::kFloat64);
    const Tensor enclosed = hgq::enclosed_bits(layer.weight->quantized()).to(torch::kFloat64);
    const Tensor inputs = layer.cost.arriving(bits);
    report_["layers"].push_back(
        {{"layer", graph.nodes[static_cast<size_t>(layer.cost.node())].name},
         {"ebops", layer.cost.ebops(inputs, enclosed).item<double>()},
         {"zero_weights", share(enclosed == 0)},
         {"enclosed_bits", enclosed.mean().item<double>()},
         {"dead_inputs", share(inputs == 0)},
         {"input_bits", inputs.mean().item<double>()}});
  }
}

MethodState Hgq::save() const {
  MethodState state;
  state.values["front"] = nlohmann::json::array();
  for (const ParetoPoint& point : front_.points())
    state.values["front"].push_back({point.name, point.accuracy, point.cost});
  return state;
}

void Hgq::load(const MethodState& state) {
  front_ = ParetoFront(static_cast<size_t>(options_.integer("front")));
  for (const auto& point : state.values.at("front"))
    front_.insert(
        {point.at(0).get<std::string>(), point.at(1).get<double>(), point.at(2).get<double>()});
}

std::map<std::string, std::string> Hgq::artefacts() const {
  if (report_.empty()) return {};
  return {{"hgq.json", report_.dump(1)}};
}

}  // namespace quantbench
