#include "methods/degree_quant/degree_quant.h"

#include <algorithm>

#include "methods/degree_quant/sites.h"

namespace quantbench {
namespace {

// Published: 0.1 % a tail at 8 bits, 1 % at 4.
double default_percentile(BitWidth bits) { return bits.bits() >= 8 ? 0.001 : 0.01; }

std::vector<std::string> with_auto(std::vector<std::string> names) {
  names.insert(names.begin(), "auto");
  return names;
}

// `mode` qat is the paper's best QAT (STE with momentum), dq its GC-PER.
bool is_dq(const OptionValues& options) { return options.text("mode") == "dq"; }

GradientRule gradient_rule(const OptionValues& options) {
  const std::string& name = options.text("backward");
  return name == "gc" || (name == "auto" && is_dq(options)) ? GradientRule::Clipped
                                                            : GradientRule::Straight;
}

template <typename Act>
void for_each_quantizer(Network& network, const Act& act) {
  for (const auto& module : network.modules(/*include_self=*/false))
    if (auto* quantizer = dynamic_cast<SiteQuantizer*>(module.get())) act(*quantizer);
}

}  // namespace

MethodCard degree_quant_card() {
  MethodCard card;
  card.name = "degree_quant";
  card.title = "Degree-Quant: quantization-aware training that protects nodes of high in-degree";
  card.paper =
      "Tailor, Fernandez-Marques and Lane, Degree-Quant: Quantization-Aware Training for Graph "
      "Neural Networks, ICLR 2021";
  card.arxiv = "2008.05000";
  card.year = 2021;
  card.version = 2;  // moving ranges round as everywhere: range_tracker.h
  card.quantizes = "weights, activations, messages, aggregates, attention, norms";
  card.options = {
      Option::choice("mode", "dq", {"dq", "qat", "nqat"},
                     "Degree-Quant, or the paper's baselines without masks and with noise"),
      Option::integer("weight_bits", 8, 2, 16, "bits of weights"),
      Option::integer("activation_bits", 8, 2, 16, "bits of everything else"),
      Option::choice(
          "backward", "auto", {"auto", "ste", "gc"},
          "gradient everywhere, or none in and beyond a grid's end bins; auto: gc for dq"),
      Option::choice(
          "ranges", "auto", with_auto(range_rules()),
          "widest min-max, moving min-max, widest percentiles, moving percentiles; auto: "
          "per for dq, else mom"),
      Option::real("percentile", 0, 0, 0.49,
                   "share of values beyond each end; 0: 0.001 from 8 bits on, else 0.01"),
      Option::real("momentum", 0.01, 0, 1, "share of a new batch in moving ranges"),
      Option::real("p_min", 0, 0, 1, "lowest probability of protection"),
      Option::real("p_change", 0.1, 0, 1, "what the highest has more, up to 1"),
      Option::choice("masks", "network", {"network", "layer"},
                     "one draw a step for the whole network, or one for each layer"),
      Option::real("noise", 0.5, 0, 1, "nqat: share of elements that are quantized in a step"),
      Option::flag("first_mlp", false, "quantize GIN's very first linear layer, too"),
  };
  return card;
}

QUANTBENCH_METHOD(degree_quant_card(), DegreeQuant);

DegreeQuant::DegreeQuant(const OptionValues& options) : options_(options) {
  const std::string& mode = options.text("mode");
  spared_ = mode == "dq"    ? Spared::ProtectedNodes
            : mode == "qat" ? Spared::Nothing
                            : Spared::RandomElements;
  const double p_min = options.real("p_min");
  const double p_max = std::min(p_min + options.real("p_change"), 1.0);
  step_ =
      std::make_shared<TrainingStep>(Protection(p_min, p_max, options.text("masks") == "layer"));
  step_->quantized_share = options.real("noise");
}

void DegreeQuant::plan(MethodContext& context) { seed_ = context.random.seed(); }

RangeConfig DegreeQuant::range_config(BitWidth bits) const {
  std::string name = options_.text("ranges");
  if (name == "auto") name = is_dq(options_) ? "per" : "mom";
  const auto& names = range_rules();
  RangeConfig out;
  out.rule = static_cast<RangeRule>(std::find(names.begin(), names.end(), name) - names.begin());
  out.percentile = options_.real("percentile");
  if (out.percentile == 0) out.percentile = default_percentile(bits);
  out.momentum = options_.real("momentum");
  return out;
}

void DegreeQuant::attach(Network& network) {
  const torch::Device device = network.parameters().front().device();
  SiteQuantizerConfig config;
  config.gradient = gradient_rule(options_);
  for (const NodeSite& at : node_sites(network.graph(), !options_.flag("first_mlp"))) {
    config.bits = BitWidth(static_cast<int>(
        options_.integer(at.site.is_weight() ? "weight_bits" : "activation_bits")));
    config.range = range_config(config.bits);
    config.spared = spared_ == Spared::ProtectedNodes && !at.protects ? Spared::Nothing : spared_;
    config.layer = at.layer;
    ++config.site;
    auto quantizer = std::make_shared<SiteQuantizer>(config, step_);
    quantizer->to(device);
    network.set_tap(at.site.point, quantizer);
  }
}

void DegreeQuant::before_step(Network&, const Progress& progress) {
  RandomStream random(seed_, "degree_quant");
  for (int64_t at : {static_cast<int64_t>(progress.phase), progress.epoch, progress.step})
    random = random.child(static_cast<uint64_t>(at));
  step_->protection.begin_step(random.child(0));
  step_->noise = random.child(1);
}

void DegreeQuant::freeze(MethodContext& context) {
  const torch::NoGradGuard no_grad;
  std::vector<SiteQuantizer*> unseen;
  for_each_quantizer(context.network, [&](SiteQuantizer& quantizer) {
    if (!quantizer.has_range()) unseen.push_back(&quantizer);
  });
  if (unseen.empty()) return;
  context.network.eval();
  for (SiteQuantizer* quantizer : unseen) quantizer->observe(true);
  for (const Batch& batch : context.calibration) context.network.forward(batch);
  for (SiteQuantizer* quantizer : unseen) quantizer->observe(false);
}

MethodState DegreeQuant::save() const {
  MethodState out;
  out.values["seed"] = seed_;
  return out;
}

void DegreeQuant::load(const MethodState& state) {
  seed_ = state.values.at("seed").get<uint64_t>();
}

}  // namespace quantbench
