#include "methods/bsq/bsq.h"

#include <cmath>

#include "methods/bsq/activation.h"
#include "methods/bsq/structure.h"
#include "methods/common/bit_allocation.h"

namespace quantbench {
namespace {

using bsq::LatentQuantizer;
using bsq::MagnitudeQuantizer;
using bsq::Magnitudes;
using bsq::PlaneQuantizer;

constexpr char kOwner[] = "method bsq";
constexpr double kPublishedShare = 300.0 / 650;  // 350 epochs of search, 300 of fine-tuning

// Shares of the fine-tuning, ascending: "0.5,0.8333".
std::vector<double> milestones_of(const std::string& text) {
  std::vector<double> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    size_t used = 0;
    double share = -1;
    try {
      share = std::stod(part, &used);
    } catch (const std::exception&) {
    }
    require(used == part.size() && share > 0 && share < 1 && (out.empty() || share > out.back()),
            "{}: option finetune_milestones takes ascending shares between 0 and 1 with commas "
            "between, not '{}'.",
            kOwner, text);
    out.push_back(share);
    at = end + 1;
  }
  return out;
}

}  // namespace

MethodCard bsq_card() {
  MethodCard card;
  card.name = "bsq";
  card.title = "BSQ: trained weight bits, whose planes a group lasso empties";
  card.paper =
      "Yang et al., BSQ: Exploring Bit-Level Sparsity for Mixed-Precision Neural Network "
      "Quantization, ICLR 2021";
  card.arxiv = "2102.10462";
  card.year = 2021;
  card.quantizes = "weights, biases of layers, activations";
  card.options = {
      Option::real("alpha", 5e-3, 0, 100, "price of the length of a bit plane"),
      Option::integer("interval", 100, 1, 1000000,
                      "epochs between two re-quantizations with removal of empty planes"),
      Option::integer("start_bits", bsq::kMostBits, 1, bsq::kMostBits,
                      "magnitude bits that every layer starts with; the sign is not counted"),
      Option::flag("growth", true,
                   "a layer whose bits carry beyond its grid grows by one bit at a "
                   "re-quantization; no: it is clamped, as in the forward pass"),
      Option::choice("momentum", "reset", {"reset", "keep"},
                     "what a re-quantization does to the momenta of the planes that stay"),
      Option::real("finetune_share", kPublishedShare, 0, 1,
                   "share of the epochs that train the scheme found; published: 300 of 650"),
      Option::real("finetune_lr", 0.01, 0, 10, "learning rate at the start of the fine-tuning"),
      Option::choice("finetune_schedule", "step", {"step", "cosine", "constant"},
                     "how that rate falls"),
      Option::text("finetune_milestones", "0.5,0.8333333",
                   "step: shares of the fine-tuning after which the rate falls tenfold"),
      Option::text("scheme", "",
                   "precisions, SITE:BITS with commas between, or @FILE of an earlier run's "
                   "scheme.json: nothing is searched, all epochs train them"),
      Option::integer("activation_bits", 4, 1, 32, "bits of activations: 1..8, or 32 for float"),
      Option::choice("activation_range", "batch", {"batch", "fixed"},
                     "the range of activations in training: of each batch, as published "
                     "(evaluation: its moving average), or where they are clipped"),
      Option::flag("quantize_stem", false, "the first ReLU's output has those bits, too"),
      Option::flag("quantize_shortcuts", false,
                   "1x1 convolutions beside a block are quantized, too"),
  };
  return card;
}

QUANTBENCH_METHOD(bsq_card(), Bsq);

Bsq::Bsq(const OptionValues& options) : options_(options) {
  const int64_t bits = options.integer("activation_bits");
  require(bits <= 8 || bits == 32,
          "{}: option activation_bits takes 1..8, or 32 for float, not {}.", kOwner, bits);
  milestones_of(options.text("finetune_milestones"));
}

std::vector<Site> Bsq::sites(const Graph& graph) const {
  std::vector<Site> out;
  const auto add = [&](std::vector<Site> of) {
    for (Site& site : of) {
      const Operation& operation = graph.nodes[static_cast<size_t>(site.point.node)].operation;
      const bool layer = !std::holds_alternative<op::Bias>(operation);
      const bool shortcut =
          !options_.flag("quantize_shortcuts") && bsq::is_shortcut(graph, site.point.node);
      if (layer && !shortcut) out.push_back(std::move(site));
    }
  };
  add(weight_sites(graph));
  add(bias_sites(graph));
  return out;
}

void Bsq::plan(MethodContext& context) {
  const Graph& graph = context.network.graph();
  latent_ = has_scheme();
  if (!latent_) {
    for (const Site& site : sites(graph))
      bits_[site.name] = static_cast<int>(options_.integer("start_bits"));
    return;
  }
  const SiteBits scheme = parse_bits_line(options_.text("scheme"), "Option bsq.scheme");
  for (const Site& site : sites(graph)) {
    const auto found = scheme.find(site.name);
    require(found != scheme.end() && found->second <= bsq::kMostBits,
            "Option bsq.scheme does not say with 0..{} how many bits {} has.", bsq::kMostBits,
            site.name);
    bits_[site.name] = static_cast<int>(found->second);
  }
}

void Bsq::put(Network& network, Layer& layer, std::shared_ptr<MagnitudeQuantizer> quantizer) {
  bits_[layer.site.name] = quantizer->bits();
  network.set_tap(layer.site.point, quantizer);
  layer.quantizer = std::move(quantizer);
}

void Bsq::attach(Network& network) {
  const torch::NoGradGuard no_grad;
  const Graph& graph = network.graph();
  layers_.clear();
  for (Site& site : sites(graph)) {
    const auto found = bits_.find(site.name);
    require(found != bits_.end(), "{}: {} has no bits; it must be planned or loaded first.", kOwner,
            site.name);
    const Tensor value = network.parameter(site.point.node, name_of(site.point.kind)).detach();
    const Magnitudes start = bsq::magnitudes_of(value, found->second);
    std::shared_ptr<MagnitudeQuantizer> quantizer;
    if (latent_)
      quantizer = std::make_shared<LatentQuantizer>(start, value / start.scale);
    else
      quantizer = std::make_shared<PlaneQuantizer>(start);
    layers_.push_back({std::move(site), nullptr});
    put(network, layers_.back(), std::move(quantizer));
  }
  const int64_t bits = options_.integer("activation_bits");
  if (bits == 32) return;
  const auto range = options_.text("activation_range") == "fixed" ? bsq::ActivationRange::Fixed
                                                                  : bsq::ActivationRange::Batch;
  for (const Site& site : bsq::activation_sites(graph, options_.flag("quantize_stem")))
    network.set_tap(site.point, std::make_shared<bsq::ClippedQuantizer>(BitWidth(bits), range));
}

int64_t Bsq::finetune_epochs(int64_t epochs) const {
  return std::llround(static_cast<double>(epochs) * options_.real("finetune_share"));
}

std::vector<Phase> Bsq::phases(Network& network, const TrainingBudget& budget) {
  optimizer_ = budget.optimizer;
  trains_planes_.clear();
  std::vector<Phase> out;
  if (budget.epochs == 0) return out;
  // Every tensor that the quantizers do not replace: BatchNorm, learned clips, layers in float.
  std::vector<Tensor> others;
  for (const auto& item : network.named_parameters()) others.push_back(item.value());
  for (const Layer& layer : layers_) {
    const Tensor replaced =
        network.parameter(layer.site.point.node, name_of(layer.site.point.kind));
    others.erase(std::remove_if(others.begin(), others.end(),
                                [&](const Tensor& t) { return t.is_same(replaced); }),
                 others.end());
  }
  Phase phase;
  for (const Layer& layer : layers_) phase.watched.push_back(layer.quantizer->leaf());
  phase.clip_grad_norm = budget.clip_grad_norm;
  phase.groups.push_back({"network", others, budget.optimizer});
  const auto add = [&](const std::string& name, int64_t epochs, bool planes) {
    phase.name = name;
    phase.epochs = epochs;
    out.push_back(phase);
    trains_planes_.push_back(planes);
  };
  phase.schedule = budget.schedule;
  if (has_scheme()) {
    add("train", budget.epochs, false);
    return out;
  }
  const int64_t finetune = finetune_epochs(budget.epochs), search = budget.epochs - finetune;
  const int64_t interval = options_.integer("interval");
  phase.schedule.total_epochs = static_cast<double>(search);
  const double first = budget.schedule.first_epoch;
  for (int64_t at = 0; at < search; at += interval) {
    phase.schedule.first_epoch = first + static_cast<double>(at);
    add(fmt::format("interval {}", at / interval + 1), std::min(interval, search - at), true);
  }
  if (finetune == 0) return out;
  phase.groups.front().optimizer.lr = options_.real("finetune_lr");
  phase.schedule = {};
  const std::string& kind = options_.text("finetune_schedule");
  if (kind == "cosine") phase.schedule.kind = Schedule::Kind::Cosine;
  if (kind == "step") phase.schedule.kind = Schedule::Kind::Step;
  phase.schedule.total_epochs = static_cast<double>(finetune);
  for (double share : milestones_of(options_.text("finetune_milestones")))
    phase.schedule.milestones.push_back(std::round(share * static_cast<double>(finetune)));
  add("finetune", finetune, false);
  return out;
}

void Bsq::begin_phase(MethodContext& context, int phase) {
  if (!latent_) adjust(context, !trains_planes_.at(static_cast<size_t>(phase)));
}

void Bsq::adjust(MethodContext& context, bool to_latent) {
  const torch::NoGradGuard no_grad;
  const Graph& graph = context.network.graph();
  nlohmann::json entry = nlohmann::json::object();
  for (Layer& layer : layers_) {
    const auto planes = std::dynamic_pointer_cast<PlaneQuantizer>(layer.quantizer);
    require(planes != nullptr, "{}: {} has no bit planes any more.", kOwner, layer.site.name);
    const Magnitudes whole = bsq::requantize(planes->planes(), layer.site.shape, planes->scale(),
                                             options_.flag("growth"));
    // While it trains a layer keeps one plane, which may fill again.
    const bool may_vanish =
        to_latent && (!layer.site.is_weight() || bsq::is_bypassed(graph, layer.site.point.node));
    const bsq::Adjusted fitted = bsq::drop_empty_planes(whole, may_vanish ? 0 : 1);
    entry[layer.site.name] = {{"before", planes->bits()},
                              {"grown", whole.bits - planes->bits()},
                              {"dropped_low", fitted.low},
                              {"dropped_high", fitted.high},
                              {"after", fitted.weights.bits}};
    if (to_latent) {
      put(context.network, layer, std::make_shared<LatentQuantizer>(fitted.weights));
      continue;
    }
    const auto next = std::make_shared<PlaneQuantizer>(fitted.weights);
    if (options_.text("momentum") == "keep") next->inherit(*planes, fitted.low);
    put(context.network, layer, next);
  }
  latent_ = to_latent;
  adjustments_.push_back(std::move(entry));
  context.log(fmt::format("BSQ: {:.3f} bits a weight ({:.2f}x)", average_bits(),
                          32 / std::max(average_bits(), 1e-9)));
}

void Bsq::after_backward(Network&, const Progress& progress) {
  bsq::kernels::Sgd sgd;
  sgd.rate = static_cast<float>(progress.learning_rate);
  sgd.momentum = static_cast<float>(optimizer_.momentum);
  sgd.weight_decay = static_cast<float>(optimizer_.weight_decay);
  double elements = 0;
  for (const Layer& layer : layers_) elements += static_cast<double>(layer.site.elements);
  for (const Layer& layer : layers_) {
    // c of section 3.4: what the layer's present precision costs of the network.
    const double share = static_cast<double>(layer.site.elements) *
                         static_cast<double>(layer.quantizer->bits()) / elements;
    layer.quantizer->step(sgd, options_.real("alpha") * share);
  }
}

void Bsq::freeze(MethodContext& context) {
  if (!latent_) adjust(context, /*to_latent=*/true);
}

double Bsq::average_bits() const {
  double bits = 0, elements = 0;
  for (const Layer& layer : layers_) {
    bits += static_cast<double>(layer.site.elements) * layer.quantizer->bits();
    elements += static_cast<double>(layer.site.elements);
  }
  return bits / elements;
}

Figures Bsq::figures() const {
  double vanished = 0;
  for (const Layer& layer : layers_) vanished += layer.quantizer->bits() == 0;
  const double bits = average_bits();
  return {{"magnitude_bits", bits},
          {"compression", bits > 0 ? 32 / bits : 0},
          {"zero_bit_layers", vanished}};
}

PaperSize Bsq::paper_size(const Site& site, const Encoding& encoding) const {
  const auto* uniform = std::get_if<UniformEncoding>(&encoding);
  if (!uniform) return {};
  const int64_t bits = uniform->format.bits.max().item<int64_t>();
  return {static_cast<double>(site.elements * std::max<int64_t>(0, bits - 1)), site.elements};
}

MethodState Bsq::save() const {
  return {{{"bits", bits_}, {"latent", latent_}, {"adjustments", adjustments_}}, {}};
}

void Bsq::load(const MethodState& state) {
  bits_ = state.values.at("bits").get<std::map<std::string, int>>();
  latent_ = state.values.at("latent").get<bool>();
  adjustments_ = state.values.at("adjustments");
}

std::map<std::string, std::string> Bsq::artefacts() const {
  nlohmann::json scheme{{"bits", bits_}, {"adjustments", adjustments_}};
  for (const Layer& layer : layers_) {
    scheme["scales"][layer.site.name] = layer.quantizer->scale();
    scheme["elements"][layer.site.name] = layer.site.elements;
  }
  if (!layers_.empty()) scheme["magnitude_bits"] = average_bits();
  return {{"scheme.json", scheme.dump(1)}};
}

}  // namespace quantbench
