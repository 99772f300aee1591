#include "methods/quantization_networks/quantization_networks.h"

#include <cmath>

#include "methods/common/range_quantizers.h"
#include "models/batch_norm.h"

namespace quantbench {
namespace {

constexpr char kOwner[] = "method quantization_networks";
constexpr int64_t kSampled = 1 << 16;  // values that thresholds are clustered from

}  // namespace

MethodCard quantization_networks_card() {
  MethodCard card;
  card.name = "quantization_networks";
  card.version = 3;
  card.title =
      "Quantization Networks: weights and activations through soft staircases that harden. From "
      "the paper: levels, start, temperature, frozen thresholds, three phases. Its derivatives are "
      "taken as they should be, not as printed. Reconstructed: the lengths of the phases, "
      "logarithms of alpha and beta, what short schedules need";
  card.paper = "Yang et al., Quantization Networks, CVPR 2019";
  card.arxiv = "1911.09464";
  card.year = 2019;
  card.quantizes = "weights, activations";
  card.options = {
      Option::choice("mode", "qat", {"qat", "ptq"}, "trained, or the clustered staircases alone"),
      Option::integer("weight_bits", 2, 1, 32, "bits of weights: 1..8, or 32 for float"),
      Option::integer("activation_bits", 32, 1, 32, "bits of activations: 1..8, or 32 for float"),
      Option::choice(
          "levels", "full", {"full", "short", "powers"},
          "levels of weights: all (2 bits: -1 0 1), the paper's +-2 of 3 bits, powers of "
          "two (its +-4)"),
      Option::choice("thresholds", "kmeans", {"kmeans", "linear"},
                     "where steps lie: between clusters, or midway between levels (table 5)"),
      Option::real(
          "zero_band", 0.05, 0, 1,
          "half the width of what becomes zero, of weights, in scaled units; 0: clustered"),
      Option::real("margin", 1.25, 0.1, 10, "how far the largest value lies beyond the last level"),
      Option::choice("scales", "reciprocal", {"reciprocal", "fitted"},
                     "where alpha starts: 1/beta, as published, or where the levels come closest "
                     "to the values (reconstructed: for short schedules)"),
      Option::real("temperature", 5, 0, 1e6,
                   "tau: T = tau * epoch (10 for AlexNet, 5 for ResNets)"),
      Option::real("temperature_cap", 0, 0, 1e9, "T goes no higher (public code: 2000); 0: no cap"),
      Option::choice("activation_temperature", "global", {"global", "own"},
                     "epochs that activations count in T: all, or those since they were switched "
                     "on (reconstructed)"),
      Option::real("clamp", 0, 0, 14,
                   "bound of the sigmoids' exponent, at which slopes stay (public code: 10); 0: "
                   "none"),
      Option::flag("slope_at_one", false,
                   "slopes of weights at T = 1, as the public code ships: not the derivative"),
      Option::real("activation_slope", 0, 0, 1e6,
                   "temperature at which the gradients of activations are taken (CIFAR-10 port: "
                   "1), which do not grow with T then: not the derivative; 0: T"),
      Option::real("weights_share", 0.6, 0, 1,
                   "reconstructed: share of the epochs with quantized weights only"),
      Option::real("activations_share", 0.2, 0, 1,
                   "reconstructed: share of the epochs with the weights' scales frozen; the rest "
                   "trains all"),
      Option::real("later_rate", 0.1, 0, 1,
                   "factor of the network's rate once activations are quantized (public code)"),
      Option::real("scale_rate", 1, 0, 1000, "factor of the rate of alpha and beta"),
      Option::flag(
          "scales_decay", true,
          "alpha and beta follow the schedule; no: a constant rate (public weight script)"),
  };
  for (Option& option : site_bits_options()) {
    if (option.name == "first_last_bits") {
      option.high = 32;
      option.help =
          "first and last layer: 1..16 bits, their weights and the input of the last on uniform "
          "grids; 32: float, as in the paper; 0: like the others";
    }
    card.options.push_back(std::move(option));
  }
  return card;
}

QUANTBENCH_METHOD(quantization_networks_card(), QuantizationNetworks);

QuantizationNetworks::QuantizationNetworks(const OptionValues& options) : options_(options) {
  for (const char* name : {"weight_bits", "activation_bits"}) {
    const int64_t bits = options_.integer(name);
    require(bits <= 8 || bits == 32, "{}: option {} takes 1..8, or 32 for float, not {}.", kOwner,
            name, bits);
  }
  const int64_t ends = options_.integer("first_last_bits");
  require(ends <= 16 || ends == 32,
          "{}: option first_last_bits takes 0..16, or 32 for float, not {}.", kOwner, ends);
  require(options_.real("weights_share") + options_.real("activations_share") <= 1,
          "{}: options weights_share and activations_share exceed 1 together.", kOwner);
  if (quantizes_weights())
    qn::weight_levels(BitWidth(options_.integer("weight_bits")), options_.text("levels") == "powers"
                                                                     ? qn::LevelSet::Powers
                                                                     : qn::LevelSet::Full);
}

BitWidth QuantizationNetworks::bits_of(const Site& site) const {
  const auto found = bits_.find(site.name);
  require(found != bits_.end(), "{}: site {} has no bits; it must be planned or loaded first.",
          kOwner, site.name);
  return BitWidth(found->second);
}

bool QuantizationNetworks::in_float(const Site& site) const {
  // With float ends the input of the first layer is its own.
  const bool ends_float = options_.integer("first_last_bits") == 32;
  return bits_of(site).bits() > 16 || (site.point.node == 0 && ends_float);
}

bool QuantizationNetworks::soft(const Graph& graph, const Site& site) const {
  if (site.point.node == 0 || bits_of(site).bits() > 8) return false;
  if (options_.integer("first_last_bits") == 0) return true;
  // The ends have uniform grids.
  const std::vector<Site> free = site.is_weight() ? free_weight_sites(graph, options_)
                                                  : free_activation_sites(graph, options_);
  if (!options_.text("allocation").empty()) return true;
  return std::any_of(free.begin(), free.end(),
                     [&](const Site& other) { return other.point == site.point; });
}

std::vector<Site> QuantizationNetworks::sites(const Graph& graph) const {
  std::vector<Site> all = weight_sites(graph), out;
  if (quantizes_activations())
    for (Site& site : operand_sites(graph)) all.push_back(std::move(site));
  for (Site& site : all)
    if (!in_float(site)) out.push_back(std::move(site));
  return out;
}

std::vector<double> QuantizationNetworks::levels_of(const Graph& graph, const Site& site) const {
  const BitWidth bits = bits_of(site);
  if (!site.is_weight() && (is_relu(graph, site) || !signed_.at(site.name)))
    return qn::activation_levels(bits);
  const std::string& name = options_.text("levels");
  const qn::LevelSet set = !site.is_weight() || name == "full" ? qn::LevelSet::Full
                           : name == "short"                   ? qn::LevelSet::Short
                                                               : qn::LevelSet::Powers;
  return qn::weight_levels(bits, set);
}

qn::Start QuantizationNetworks::start_of(const Graph& graph, const Site& site,
                                         const SampledValues& seen) const {
  qn::StartRule rule;
  rule.margin = options_.real("margin");
  rule.clustered = options_.text("thresholds") == "kmeans";
  rule.fitted = options_.text("scales") == "fitted";
  rule.zero_band = site.is_weight() ? options_.real("zero_band") : 0;
  return qn::start_of(seen.values, std::max(std::abs(seen.low), std::abs(seen.high)),
                      levels_of(graph, site), rule);
}

void QuantizationNetworks::plan(MethodContext& context) {
  const Graph& graph = context.network.graph();
  bits_ = site_bits(graph, options_.integer("weight_bits"),
                    quantizes_activations() ? options_.integer("activation_bits") : 17, options_);
  std::vector<Site> softened, uniform;
  for (Site& site : sites(graph))
    (soft(graph, site) ? softened : uniform).push_back(std::move(site));
  starts_.clear();
  signed_.clear();
  const auto samples = sample_values(context.network, context.calibration, softened, kSampled);
  for (const Site& site : softened) {
    const SampledValues& seen = samples.at(site.name);
    if (!site.is_weight()) signed_[site.name] = seen.low < 0;
    starts_[site.name] = start_of(graph, site, seen);
  }
  calibration_ = calibrate(context.network, context.calibration, uniform, [&](const Site& site) {
    ObserverConfig config;
    config.bits = bits_of(site);
    if (!site.is_weight()) return config;
    config.granularity = Granularity::Channel;
    config.scheme = Scheme::Symmetric;
    return config;
  });
}

void QuantizationNetworks::attach(Network& network) {
  const Graph& graph = network.graph();
  const torch::Device device = network.parameters().front().device();
  places_.clear();
  for (const Site& site : sites(graph)) {
    std::shared_ptr<Quantizer> tap;
    if (soft(graph, site)) {
      const auto start = starts_.find(site.name);
      require(start != starts_.end(),
              "{}: site {} has no thresholds; it must be planned or loaded first.", kOwner,
              site.name);
      auto made = std::make_shared<qn::StaircaseQuantizer>(levels_of(graph, site), start->second,
                                                           bits_of(site), site.is_weight(),
                                                           is_relu(graph, site));
      places_.push_back({site, made});
      tap = made;
    } else if (site.is_weight()) {
      tap = std::make_shared<RangeWeightQuantizer>(
          range_at(calibration_, site, Granularity::Channel, kOwner), bits_of(site),
          Scheme::Symmetric, RangeWeightQuantizer::Follow::Weight);
    } else {
      using Follow = RangeActivationQuantizer::Follow;
      tap = std::make_shared<RangeActivationQuantizer>(
          range_at(calibration_, site, Granularity::Tensor, kOwner), bits_of(site),
          is_relu(graph, site), site.point.node == 0 ? Follow::Fixed : Follow::MovingAverage);
    }
    tap->to(device);
    network.set_tap(site.point, tap);
  }
  set_temperature({});
}

std::vector<std::pair<QuantizationNetworks::Stage, int64_t>> QuantizationNetworks::stages(
    int64_t epochs) const {
  if (!quantizes_activations()) return {{Stage::Weights, epochs}};
  if (!quantizes_weights()) return {{Stage::Activations, epochs}};
  const auto share = [&](const char* option) -> int64_t {
    return std::llround(options_.real(option) * static_cast<double>(epochs));
  };
  const int64_t first = share("weights_share");
  const int64_t second = std::min(share("activations_share"), epochs - first);
  std::vector<std::pair<Stage, int64_t>> out;
  if (first > 0) out.emplace_back(Stage::Weights, first);
  if (second > 0) out.emplace_back(Stage::Activations, second);
  if (epochs > first + second) out.emplace_back(Stage::All, epochs - first - second);
  return out;
}

QuantizationNetworks::Stage QuantizationNetworks::stage_of(int phase) const {
  return stages(epochs_).at(static_cast<size_t>(phase)).first;
}

std::vector<Phase> QuantizationNetworks::phases(Network& network, const TrainingBudget& budget) {
  epochs_ = budget.epochs;
  if (options_.text("mode") == "ptq" || budget.epochs == 0) return {};
  std::vector<Phase> out;
  double begin = 0;
  for (const auto& [stage, epochs] : stages(budget.epochs)) {
    Phase phase = Method::phases(network, budget).front();
    phase.name = stage == Stage::Weights       ? "weights"
                 : stage == Stage::Activations ? "activations"
                                               : "all";
    phase.epochs = epochs;
    phase.schedule.first_epoch += begin;
    begin += static_cast<double>(epochs);
    ParameterGroup& group = phase.groups.front();
    group.parameters = network.parameters(/*recurse=*/false);
    ParameterGroup scales{"scales", {}, budget.optimizer};
    scales.optimizer.weight_decay = 0;
    scales.optimizer.lr *= options_.real("scale_rate");
    if (!options_.flag("scales_decay")) scales.schedule = Schedule();
    if (stage != Stage::Weights) group.optimizer.lr *= options_.real("later_rate");
    for (const Place& place : places_) {
      const bool trains =
          stage == Stage::All || place.site.is_weight() == (stage == Stage::Weights);
      if (!trains) continue;
      for (const Tensor& scale : place.quantizer->scales()) scales.parameters.push_back(scale);
    }
    if (!scales.parameters.empty()) phase.groups.push_back(scales);
    out.push_back(phase);
  }
  return out;
}

void QuantizationNetworks::begin_phase(MethodContext& context, int phase) {
  const auto all = stages(epochs_);
  const bool had = phase > 0 && all[static_cast<size_t>(phase) - 1].first != Stage::Weights;
  const bool has = stage_of(phase) != Stage::Weights;
  for (const Place& place : places_)
    if (!place.site.is_weight()) place.quantizer->switch_on(has && had);
  if (!has || had) return;
  // The weights are quantized by now: what the activations are has changed.
  activations_since_ = 0;
  for (int i = 0; i < phase; ++i) activations_since_ += all[static_cast<size_t>(i)].second;
  std::vector<Site> activations;
  for (const Place& place : places_)
    if (!place.site.is_weight()) activations.push_back(place.site);
  const auto samples = sample_values(context.network, context.calibration, activations, kSampled);
  for (const Place& place : places_) {
    if (place.site.is_weight()) continue;
    const qn::Start start =
        start_of(context.network.graph(), place.site, samples.at(place.site.name));
    place.quantizer->start_again(start);
    place.quantizer->switch_on(true);
  }
}

double QuantizationNetworks::temperature(const Progress& progress, bool of_weights) const {
  int64_t epoch = progress.global_epoch;
  if (!of_weights && options_.text("activation_temperature") == "own")
    epoch -= std::max<int64_t>(0, activations_since_);
  double t = options_.real("temperature") * static_cast<double>(std::max<int64_t>(0, epoch) + 1);
  const double cap = options_.real("temperature_cap");
  if (cap > 0) t = std::min(t, cap);
  return std::max(t, 1e-3);
}

void QuantizationNetworks::set_temperature(const Progress& progress) {
  for (const Place& place : places_) {
    const bool of_weights = place.site.is_weight();
    Softness softness;
    softness.temperature = temperature(progress, of_weights);
    softness.clamp = options_.real("clamp");
    softness.slope_at_one = of_weights && options_.flag("slope_at_one");
    softness.slope_temperature = of_weights ? 0 : options_.real("activation_slope");
    place.quantizer->soften(softness);
  }
}

void QuantizationNetworks::before_step(Network&, const Progress& progress) {
  set_temperature(progress);
}

void QuantizationNetworks::reestimate(MethodContext& context) {
  reestimate_batch_norm(context.network, context.calibration);
}

void QuantizationNetworks::before_evaluation(MethodContext& context, const Progress& progress) {
  reestimate(context);
  if (options_.text("mode") == "ptq") return;
  // The gap that is to close: mean |soft - hard| of the weights, in levels (paper, figure 4).
  const torch::NoGradGuard no_grad;
  double gap = 0, count = 0;
  for (const Place& place : places_) {
    if (!place.site.is_weight()) continue;
    const Tensor weight = context.network.parameter(place.site.point.node, "weight");
    const TapContext none{Batch(), nullptr, Rows::Parameter};
    const Tensor hard = decode(place.quantizer->encode(weight));
    place.quantizer->train();
    const Tensor soft = place.quantizer->forward(weight, none);
    place.quantizer->train(context.network.is_training());
    gap += (soft - hard).abs().sum(torch::kFloat64).item<double>() / place.quantizer->alpha();
    count += static_cast<double>(weight.numel());
  }
  if (count > 0)
    context.log(
        fmt::format("Quantization Networks: T {:.4g}, soft and hard weights differ by "
                    "{:.4f} levels",
                    temperature(progress, true), gap / count));
}

void QuantizationNetworks::freeze(MethodContext& context) {
  for (const Place& place : places_) place.quantizer->switch_on(true);
  reestimate(context);
  nlohmann::json layers = nlohmann::json::array();
  for (const Place& place : places_) {
    const Staircase steps = place.quantizer->staircase();
    layers.push_back({{"site", place.site.name},
                      {"alpha", place.quantizer->alpha()},
                      {"beta", place.quantizer->beta()},
                      {"levels", place.quantizer->levels()},
                      {"thresholds", steps.edges}});
  }
  report_ = nlohmann::json({{"layers", layers}}).dump(1);
}

PaperSize QuantizationNetworks::paper_size(const Site& site, const Encoding& encoding) const {
  if (site.is_weight()) return Method::paper_size(site, encoding);
  // "4 bytes for all else" (size of the quantized network against FP32, table 8).
  return {32.0 * static_cast<double>(site.elements), site.elements};
}

MethodState QuantizationNetworks::save() const {
  MethodState state{{{"bits", bits_}, {"signed", signed_}}, calibration_};
  state.values["activations_since"] = activations_since_;
  state.values["starts"] = nlohmann::json::object();
  for (const auto& [site, start] : starts_)
    state.values["starts"][site] = {
        {"alpha", start.alpha}, {"beta", start.beta}, {"thresholds", start.thresholds}};
  return state;
}

void QuantizationNetworks::load(const MethodState& state) {
  bits_ = state.values.at("bits").get<SiteBits>();
  signed_ = state.values.at("signed").get<std::map<std::string, bool>>();
  activations_since_ = state.values.at("activations_since").get<int64_t>();
  calibration_ = state.tensors;
  starts_.clear();
  for (const auto& [site, start] : state.values.at("starts").items())
    starts_[site] = {start.at("alpha").get<double>(), start.at("beta").get<double>(),
                     start.at("thresholds").get<std::vector<double>>()};
}

std::map<std::string, std::string> QuantizationNetworks::artefacts() const {
  if (report_.empty()) return {};
  return {{"quantization_networks.json", report_}};
}

}  // namespace quantbench
