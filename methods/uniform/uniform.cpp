#include "methods/uniform/uniform.h"

#include "methods/common/observer_options.h"
#include "methods/common/range_quantizers.h"
#include "methods/uniform/learned_quantizers.h"

namespace quantbench {
namespace {

constexpr char kOwner[] = "method uniform";

bool is_network_input(const Site& site) { return site.point.node == 0; }

}  // namespace

MethodCard uniform_card() {
  MethodCard card;
  card.name = "uniform";
  card.title = "Uniform quantization: post-training, or trained with STE, DoReFa, PACT or LSQ";
  card.paper =
      "Jacob et al., Quantization and Training of Neural Networks for Efficient "
      "Integer-Arithmetic-Only Inference, CVPR 2018";
  card.arxiv = "1712.05877";
  card.year = 2018;
  card.version = 2;  // the ranges of observer=ema round as everywhere: range_tracker.h
  card.quantizes = "weights, activations";
  card.options = {
      Option::choice("mode", "ptq", {"ptq", "qat"},
                     "post-training, or quantization-aware training"),
      Option::choice("rule", "ste", {"ste", "dorefa", "pact", "lsq"},
                     "how a qat network learns through the rounding"),
      Option::integer("weight_bits", 8, 1, 16, "bits of weights"),
      Option::integer("activation_bits", 8, 1, 32, "bits of activations: 1..16, or 32 for float"),
      Option::flag("per_channel", true, "a scale for each output channel of a weight"),
      Option::choice("weight_scheme", "symmetric", {"symmetric", "affine"},
                     "grid of weights, where the rule leaves the choice (ptq, ste)"),
  };
  for (Option& option : observer_options()) card.options.push_back(std::move(option));
  for (Option& option : site_bits_options()) card.options.push_back(std::move(option));
  return card;
}

QUANTBENCH_METHOD(uniform_card(), Uniform);

Uniform::Uniform(const OptionValues& options)
    : options_(options),
      rule_(options.text("mode") == "ptq" ? "ptq" : options.text("rule")),
      granularity_(options.flag("per_channel") ? Granularity::Channel : Granularity::Tensor),
      weight_scheme_(options.text("weight_scheme") == "affine" ? Scheme::Affine
                                                               : Scheme::Symmetric) {
  const int64_t bits = options_.integer("activation_bits");
  require(bits <= 16 || bits == 32,
          "method uniform: option activation_bits takes 1..16, or 32 for float, not {}.", bits);
}

std::vector<Site> Uniform::activation_sites(const Graph& graph) const {
  return options_.integer("activation_bits") == 32 ? std::vector<Site>{} : operand_sites(graph);
}

void Uniform::plan(MethodContext& context) {
  const Graph& graph = context.network.graph();
  bits_ = site_bits(graph, options_.integer("weight_bits"), options_.integer("activation_bits"),
                    options_);
  std::vector<Site> sites = weight_sites(graph);
  for (Site& site : activation_sites(graph)) sites.push_back(std::move(site));
  calibration_ = calibrate(context.network, context.calibration, sites, [&](const Site& site) {
    return observer_config(options_, bits_of(site),
                           site.is_weight() ? granularity_ : Granularity::Tensor,
                           site.is_weight() ? weight_scheme_ : Scheme::Affine);
  });
}

BitWidth Uniform::bits_of(const Site& site) const {
  const auto found = bits_.find(site.name);
  require(found != bits_.end(), "{}: site {} has no bits; it must be planned or loaded first.",
          kOwner, site.name);
  return BitWidth(found->second);
}

std::shared_ptr<Tap> Uniform::weight_tap(const Site& site, BitWidth bits) const {
  const Range range = range_at(calibration_, site, granularity_, kOwner);
  using Follow = RangeWeightQuantizer::Follow;
  if (rule_ == "lsq") {
    const Tensor mean = mean_magnitude_at(calibration_, site, kOwner);
    const UniformFormat grid =
        LsqQuantizer::grid(bits, /*is_signed=*/true, granularity_, mean.numel());
    const Tensor start = LsqQuantizer::initial_scale(mean, grid);
    return std::make_shared<LsqQuantizer>(start, grid, /*is_weight=*/true, /*absorbs_relu=*/false);
  }
  if (rule_ == "dorefa" || rule_ == "pact") {
    // PACT's own weights are DoReFa's.
    if (bits.bits() > 1) return std::make_shared<DorefaWeightQuantizer>(bits);
    const Range whole{Granularity::Tensor, range.low.min().view({1}), range.high.max().view({1})};
    return std::make_shared<RangeWeightQuantizer>(whole, bits, Scheme::Symmetric, Follow::Weight);
  }
  const Scheme scheme = bits.bits() == 1 ? Scheme::Symmetric : weight_scheme_;
  return std::make_shared<RangeWeightQuantizer>(range, bits, scheme,
                                                rule_ == "ptq" ? Follow::Fixed : Follow::Weight);
}

std::shared_ptr<Tap> Uniform::activation_tap(const Graph& graph, const Site& site) const {
  using Follow = RangeActivationQuantizer::Follow;
  const BitWidth bits = bits_of(site);
  const bool relu = is_relu(graph, site);
  Range range = range_at(calibration_, site, Granularity::Tensor, kOwner);
  // The input's range is the data's: there is nothing to learn.
  Follow follow = rule_ == "ptq" || is_network_input(site) ? Follow::Fixed : Follow::MovingAverage;
  if (rule_ == "lsq" && !is_network_input(site)) {
    const bool is_signed = !relu && range.low.item<float>() < 0;
    const UniformFormat grid = LsqQuantizer::grid(bits, is_signed, Granularity::Tensor, 1);
    const Tensor start =
        LsqQuantizer::initial_scale(mean_magnitude_at(calibration_, site, kOwner), grid);
    return std::make_shared<LsqQuantizer>(start, grid, /*is_weight=*/false, relu);
  }
  if (rule_ == "pact" && relu)
    return std::make_shared<PactQuantizer>(std::max(range.high.item<double>(), 1e-3), bits);
  if (rule_ == "dorefa" && relu) {
    // Section 2.5: activations are bounded to 0..1.
    range.high = torch::ones({1});
    follow = Follow::Fixed;
  }
  return std::make_shared<RangeActivationQuantizer>(range, bits, relu, follow);
}

void Uniform::attach(Network& network) {
  const Graph& graph = network.graph();
  auto put = [&](const Site& site, const std::shared_ptr<Tap>& tap, torch::Device device) {
    tap->to(device);
    network.set_tap(site.point, tap);
  };
  for (const Site& site : weight_sites(graph)) {
    const torch::Device device = network.parameter(site.point.node, "weight").device();
    put(site, weight_tap(site, bits_of(site)), device);
  }
  for (const Site& site : activation_sites(graph)) {
    put(site, activation_tap(graph, site), network.parameters().front().device());
  }
}

std::vector<Phase> Uniform::phases(Network& network, const TrainingBudget& budget) {
  if (rule_ == "ptq") return {};
  std::vector<Phase> phases = Method::phases(network, budget);
  std::vector<Tensor> learned;
  for (const auto& tap : network.modules(/*include_self=*/false)) {
    for (const Tensor& parameter : tap->parameters(/*recurse=*/false)) learned.push_back(parameter);
  }
  for (Phase& phase : phases) {
    phase.groups.front().parameters = network.parameters(/*recurse=*/false);
    if (learned.empty()) continue;
    OptimizerConfig optimizer = budget.optimizer;
    // PACT decays its clip like a weight (section 3); a learned step is left alone.
    if (rule_ != "pact") optimizer.weight_decay = 0;
    phase.groups.push_back({"quantizers", learned, optimizer});
  }
  return phases;
}

}  // namespace quantbench
