#include "methods/srq_dropbits/srq_dropbits.h"

#include "methods/common/bit_allocation.h"
#include "methods/common/range_quantizers.h"
#include "methods/common/sample_values.h"
#include "models/batch_norm.h"

namespace quantbench {
namespace {

constexpr char kOwner[] = "method srq_dropbits";
constexpr int64_t kSampled = 1 << 16;  // values that a step is fitted to

bool is_network_input(const Site& site) { return site.point.node == 0; }

}  // namespace

MethodCard srq_dropbits_card() {
  MethodCard card;
  card.name = "srq_dropbits";
  card.version = 4;
  card.title =
      "Semi-relaxed quantization with DropBits, and relaxed quantization. Certain: the grid, the "
      "logistic categories, RQ's sampler, the arg-max forward, the hard-concrete formulas. "
      "Reconstructed, for want of the papers' values: the backward rule, how masks are grouped and "
      "kept, their price, every start value and rate";
  card.paper =
      "Lee et al., Semi-Relaxed Quantization with DropBits: Training Low-Bit Neural Networks via "
      "Bit-wise Regularization, arXiv 2019 (as CPQ: ICCV 2021)";
  card.arxiv = "1911.12990";
  card.year = 2019;
  card.quantizes = "weights, activations";
  card.options = {
      Option::choice("mode", "qat", {"qat", "ptq"},
                     "quantization-aware training, or the least-squares grids alone"),
      Option::choice("rule", "srq", {"srq", "rq", "rq_st"},
                     "estimator: semi-relaxed; Gumbel-softmax samples (RQ); their nearest points "
                     "(RQ ST)"),
      Option::integer("weight_bits", 4, 2, 16, "bits of weights"),
      Option::integer("activation_bits", 4, 1, 32, "bits of activations: 1..16, or 32 for float"),
      Option::choice("backward", "dense", {"dense", "chosen"},
                     "reconstructed: gradient of srq through all probabilities, or through that "
                     "of the chosen point alone"),
      Option::real("sigma", 1.0 / 3, 0.01, 2, "reconstructed: noise to start with, in grid steps"),
      Option::real("least_sigma", 0.05, 0.01, 2,
                   "reconstructed: bound of the noise, in grid steps"),
      Option::real("temperature", 1, 0.01, 100, "reconstructed: lambda of the softmax (rq, rq_st)"),
      Option::real("local_grid", 3, 0.5, 1000,
                   "reconstructed: delta, points within so many sigma are sampled, and those next "
                   "to the nearest one (rq, rq_st)"),
      Option::choice("dropbits", "off", {"off", "point", "pair", "level"},
                     "reconstructed: what shares a mask of a weight's grid: a point, +n and -n, "
                     "or what a bit adds"),
      Option::real("keep", 0.9, 0.01, 1, "reconstructed: rate at which fixed masks are kept"),
      Option::flag("learn_masks", false,
                   "hard-concrete masks that learn; with dropbits = level each layer finds its "
                   "bits, at most weight_bits"),
      Option::real("mask_logit", 2, -10, 10, "reconstructed: where the logits of masks start"),
      Option::real("mask_price", 0.01, 0, 1000, "reconstructed: lambda_B, price of a kept mask"),
      Option::choice("mask_cost", "count", {"count", "size"},
                     "reconstructed: every layer's masks cost the same, or by its weights"),
      Option::real("finetune", 0, 0, 0.9,
                   "reconstructed: share of the epochs, at the end, with the found bits frozen"),
      Option::real("grid_lr", 1e-3, 0, 1, "reconstructed: Adam's rate of log alpha and log sigma"),
      Option::real("mask_lr", 1e-2, 0, 1, "reconstructed: Adam's rate of the masks' logits"),
  };
  for (Option& option : site_bits_options()) {
    // The papers quantize all layers alike.
    if (option.name == "first_last_bits") option.default_value = "0";
    card.options.push_back(std::move(option));
  }
  return card;
}

QUANTBENCH_METHOD(srq_dropbits_card(), SrqDropBits);

SrqDropBits::SrqDropBits(const OptionValues& options) : options_(options) {
  const int64_t bits = options_.integer("activation_bits");
  require(bits <= 16 || bits == 32,
          "{}: option activation_bits takes 1..16, or 32 for float, not {}.", kOwner, bits);
  require(options_.text("dropbits") == "off" || options_.text("rule") == "srq",
          "{}: masks (option dropbits) go with rule srq only.", kOwner);
  require(!options_.flag("learn_masks") || options_.text("dropbits") != "off",
          "{}: option learn_masks needs dropbits = point, pair or level.", kOwner);
  require(options_.real("finetune") == 0 || options_.flag("learn_masks"),
          "{}: option finetune freezes bits that learn_masks finds.", kOwner);
  require(options_.real("least_sigma") <= options_.real("sigma"),
          "{}: option sigma is below option least_sigma.", kOwner);
}

bool SrqDropBits::learns_masks() const { return options_.flag("learn_masks"); }

srq::QuantizerRule SrqDropBits::rule() const {
  using Estimator = srq::QuantizerRule::Estimator;
  srq::QuantizerRule out;
  const std::string& name = options_.text("rule");
  out.estimator = name == "srq" ? Estimator::Srq : name == "rq" ? Estimator::Rq : Estimator::RqSt;
  out.only_chosen = name == "srq" && options_.text("backward") == "chosen";
  out.temperature = options_.real("temperature");
  out.local = options_.real("local_grid");
  out.least_sigma = options_.real("least_sigma");
  return out;
}

void SrqDropBits::plan(MethodContext& context) {
  const Graph& graph = context.network.graph();
  model_ = graph.name;
  bits_ = site_bits(graph, options_.integer("weight_bits"), options_.integer("activation_bits"),
                    options_);
  std::vector<Site> sites = weight_sites(graph), input;
  if (options_.integer("activation_bits") <= 16)
    for (Site& site : operand_sites(graph))
      (is_network_input(site) ? input : sites).push_back(std::move(site));
  const auto samples = sample_values(context.network, context.calibration, sites, kSampled);
  starts_.clear();
  for (const Site& site : sites) {
    const SampledValues& seen = samples.at(site.name);
    const bool is_signed = site.is_weight() || (!is_relu(graph, site) && seen.low < 0);
    const double alpha =
        srq::SrqQuantizer::least_squares_step(seen.values, bits_of(site), is_signed);
    starts_[site.name] = {alpha, is_signed};
  }
  calibration_ = calibrate(context.network, context.calibration, input,
                           [](const Site&) { return ObserverConfig(); });
}

BitWidth SrqDropBits::bits_of(const Site& site) const {
  const auto found = bits_.find(site.name);
  require(found != bits_.end(), "{}: site {} has no bits; it must be planned or loaded first.",
          kOwner, site.name);
  return BitWidth(found->second);
}

std::shared_ptr<srq::DropMasks> SrqDropBits::masks_for(BitWidth bits) const {
  const std::string& name = options_.text("dropbits");
  if (name == "off" || bits.bits() < 2) return nullptr;
  using srq::MaskGroups;
  const MaskGroups groups = name == "point"  ? MaskGroups::Point
                            : name == "pair" ? MaskGroups::Pair
                                             : MaskGroups::Level;
  const int64_t low = -bits.levels() / 2, high = -low - 1;
  if (learns_masks())
    return srq::DropMasks::learned(groups, low, high, options_.real("mask_logit"));
  return std::make_shared<srq::DropMasks>(groups, low, high, options_.real("keep"));
}

void SrqDropBits::attach(Network& network) {
  const Graph& graph = network.graph();
  const torch::Device device = network.parameters().front().device();
  places_.clear();
  weights_ = 0;
  std::vector<Site> sites = weight_sites(graph);
  if (options_.integer("activation_bits") <= 16)
    for (Site& site : operand_sites(graph)) sites.push_back(std::move(site));
  for (const Site& site : sites) {
    if (is_network_input(site)) {
      // The data's range: there is nothing to learn.
      auto tap = std::make_shared<RangeActivationQuantizer>(
          range_at(calibration_, site, Granularity::Tensor, kOwner), bits_of(site), false,
          RangeActivationQuantizer::Follow::Fixed);
      tap->to(device);
      network.set_tap(site.point, tap);
      continue;
    }
    const auto start = starts_.find(site.name);
    require(start != starts_.end(), "{}: site {} has no grid; it must be planned or loaded first.",
            kOwner, site.name);
    auto tap = std::make_shared<srq::SrqQuantizer>(
        start->second.first, options_.real("sigma"), bits_of(site), start->second.second,
        is_relu(graph, site), rule(), site.is_weight() ? masks_for(bits_of(site)) : nullptr);
    tap->to(device);
    network.set_tap(site.point, tap);
    if (site.is_weight()) weights_ += site.elements;
    places_.push_back({site, tap});
  }
}

std::vector<Phase> SrqDropBits::phases(Network& network, const TrainingBudget& budget) {
  if (options_.text("mode") == "ptq") return {};
  std::vector<Phase> phases = Method::phases(network, budget);
  if (phases.empty()) return {};
  OptimizerConfig adam;
  adam.kind = OptimizerConfig::Kind::Adam;
  ParameterGroup grids{"grids", {}, adam}, masks{"masks", {}, adam};
  grids.optimizer.lr = options_.real("grid_lr");
  masks.optimizer.lr = options_.real("mask_lr");
  for (const Place& place : places_) {
    for (const Tensor& parameter : place.quantizer->grid_parameters())
      grids.parameters.push_back(parameter);
    if (place.quantizer->masks() && place.quantizer->masks()->is_learned())
      masks.parameters.push_back(place.quantizer->masks()->logits());
  }
  Phase& whole = phases.front();
  whole.groups.front().parameters = network.parameters(/*recurse=*/false);
  whole.groups.push_back(grids);
  if (!masks.parameters.empty()) whole.groups.push_back(masks);
  const auto last = std::llround(options_.real("finetune") * static_cast<double>(budget.epochs));
  if (last == 0) return phases;
  Phase end = whole;
  whole.epochs -= last;
  end.name = "finetune";
  end.epochs = last;
  end.groups.resize(2);
  end.schedule.first_epoch += static_cast<double>(whole.epochs);
  phases.push_back(end);
  return phases;
}

void SrqDropBits::begin_phase(MethodContext& context, int phase) {
  if (phase == 0 || !learns_masks()) return;
  for (const Place& place : places_) {
    if (!place.site.is_weight()) continue;
    place.quantizer->settle(true);
    context.log(fmt::format("SRQ: {} has found {} bits", place.site.name,
                            place.quantizer->surviving_bits().bits()));
  }
}

void SrqDropBits::before_step(Network&, const Progress& progress) {
  uint64_t index = 0;
  for (const Place& place : places_) place.quantizer->draw(progress.random.child(index++));
}

double SrqDropBits::price_of(const Place& place) const {
  const double price = options_.real("mask_price");
  if (options_.text("mask_cost") == "count") return price;
  return price * static_cast<double>(place.site.elements) / static_cast<double>(weights_);
}

Tensor SrqDropBits::loss_term(Network&, const Progress& progress) {
  if (!learns_masks() || progress.phase > 0) return {};
  Tensor total;
  for (const Place& place : places_) {
    if (!place.quantizer->masks()) continue;
    const Tensor term = place.quantizer->masks()->penalty() * price_of(place);
    total = total.defined() ? total + term : term;
  }
  return total;
}

void SrqDropBits::after_step(Network&, const Progress&) {
  for (const Place& place : places_) place.quantizer->limit();
}

void SrqDropBits::before_evaluation(MethodContext& context, const Progress&) {
  reestimate_batch_norm(context.network, context.calibration);
}

void SrqDropBits::freeze(MethodContext& context) {
  reestimate_batch_norm(context.network, context.calibration);
  describe();
}

void SrqDropBits::describe() {
  BitAllocation allocation;
  allocation.method = "srq_dropbits";
  allocation.model = model_;
  allocation.bits = bits_;
  nlohmann::json layers = nlohmann::json::array();
  double bits = 0, least = INFINITY, most = 0;
  for (const Place& place : places_) {
    const int surviving = place.quantizer->surviving_bits().bits();
    allocation.bits[place.site.name] = surviving;
    const double sigma = place.quantizer->sigma_in_steps();
    least = std::min(least, sigma);
    most = std::max(most, sigma);
    if (place.site.is_weight())
      bits += surviving * static_cast<double>(place.site.elements) / static_cast<double>(weights_);
    layers.push_back({{"site", place.site.name},
                      {"bits", surviving},
                      {"alpha", place.quantizer->alpha()},
                      {"sigma_in_steps", sigma}});
  }
  figures_ = {{"mean_weight_bits", bits}, {"least_sigma", least}, {"largest_sigma", most}};
  const nlohmann::json report{{"layers", layers}};
  artefacts_ = {{"srq_dropbits.json", report.dump(1)}, {"allocation.json", allocation.text()}};
}

PaperSize SrqDropBits::paper_size(const Site& site, const Encoding& encoding) const {
  if (!site.is_weight()) return {32.0 * static_cast<double>(site.elements), site.elements};
  return {static_cast<double>(code_bits(encoding)) + 64, site.elements};
}

MethodState SrqDropBits::save() const {
  MethodState state{{{"bits", bits_}, {"model", model_}}, calibration_};
  state.values["starts"] = nlohmann::json::object();
  for (const auto& [site, start] : starts_)
    state.values["starts"][site] = {start.first, start.second};
  return state;
}

void SrqDropBits::load(const MethodState& state) {
  bits_ = state.values.at("bits").get<SiteBits>();
  model_ = state.values.at("model").get<std::string>();
  calibration_ = state.tensors;
  starts_.clear();
  for (const auto& [site, start] : state.values.at("starts").items())
    starts_[site] = {start.at(0).get<double>(), start.at(1).get<bool>()};
}

Figures SrqDropBits::figures() const { return figures_; }

std::map<std::string, std::string> SrqDropBits::artefacts() const { return artefacts_; }

}  // namespace quantbench
