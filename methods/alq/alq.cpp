#include "methods/alq/alq.h"

#include <algorithm>
#include <sstream>

#include "methods/alq/activation.h"

namespace quantbench {
namespace {

using alq::Groups;
using alq::MultiBitQuantizer;
using alq::Stage;

constexpr char kOwner[] = "method alq";
constexpr int64_t kLongestPart = 512;  // of a row, where no number of parts is given

std::vector<int64_t> parts_of(const std::string& text) {
  std::vector<int64_t> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    size_t used = 0;
    int64_t value = 0;
    try {
      value = std::stoll(part, &used);
    } catch (const std::exception&) {
    }
    require(used == part.size() && value > 0,
            "{}: option parts takes whole numbers with commas between, not '{}'.", kOwner, text);
    out.push_back(value);
  }
  return out;
}

int64_t parts_for(int64_t row) {
  for (int64_t parts = 1;; ++parts)
    if (row % parts == 0 && row / parts <= kLongestPart) return parts;
}

Grouping grouping_of(const std::string& name) {
  if (name == "kernel") return Grouping::Kernel;
  return name == "pixel" ? Grouping::Pixel : Grouping::Channel;
}

}  // namespace

MethodCard alq_card() {
  MethodCard card;
  card.name = "alq";
  card.title = "ALQ: groups of binary bases, pruned and trained against the loss";
  card.paper = "Qu et al., Adaptive Loss-aware Quantization for Multi-bit Networks, CVPR 2020";
  card.arxiv = "1912.08883";
  card.year = 2020;
  card.quantizes = "weights (activations by a rule of our own)";
  const std::vector<std::string> groupings{"channel", "kernel", "pixel"};
  card.options = {
      Option::real("target_bits", 2, 0, alq::kMostBases,
                   "bits a weight on average, signs alone, at which pruning ends"),
      Option::integer("bases", 6, 1, alq::kMostBases, "bases that every group starts with"),
      Option::choice("first_grouping", "channel", groupings,
                     "what shares coordinates in the first convolution: a filter, a kernel, or "
                     "one tap of a filter over all inputs"),
      Option::choice("grouping", "pixel", groupings, "the same in the other convolutions"),
      Option::text("parts", "",
                   "into how many groups the rows of Linear layers are cut, in their order with "
                   "commas between; of the others: of 512 weights at most"),
      Option::real("prune_share", 0.8, 0, 100, "share of the coordinates that a pruning is worth"),
      Option::real("propose_share", 0.005, 0, 1,
                   "share of its coordinates that each weight proposes at every batch"),
      Option::integer("activation_bits", 32, 1, 32,
                      "bases of activations, 1..4, by our own design, for the paper's rule is not "
                      "public; 32: float, as in the public code"),
  };
  for (Option& option : alq::round_options()) card.options.push_back(std::move(option));
  return card;
}

QUANTBENCH_METHOD(alq_card(), Alq);

Alq::Alq(const OptionValues& options) : options_(options), parts_(parts_of(options.text("parts"))) {
  const int64_t bits = options.integer("activation_bits");
  require(bits <= 4 || bits == 32,
          "{}: option activation_bits takes 1..4, or 32 for float, not {}.", kOwner, bits);
}

// What a layer multiplies, but for the network's input.
std::vector<Site> Alq::activation_sites(const Graph& graph) const {
  std::vector<Site> out;
  if (options_.integer("activation_bits") == 32) return out;
  for (Site& site : operand_sites(graph))
    if (site.point.node != 0) out.push_back(std::move(site));
  return out;
}

void Alq::calibrate_activations(MethodContext& context) {
  const std::vector<Site> sites = activation_sites(context.network.graph());
  if (sites.empty()) return;
  require(!context.calibration.empty(), "{}: activations need calibration samples.", kOwner);
  std::vector<Point> points;
  std::map<Point, std::string> names;
  for (const Site& site : sites) {
    points.push_back(site.point);
    names[site.point] = site.name;
  }
  const BitWidth bits(options_.integer("activation_bits"));
  context.network.eval();
  context.network.observe(context.calibration.front(), points,
                          [&](const Point& point, const Tensor& x, const TapContext&) {
                            activations_[names.at(point)] = alq::fitted_bases(x, bits);
                          });
}

Groups Alq::groups_at(const Graph& graph, const std::vector<Site>& sites, size_t index) const {
  const auto is_conv = [&](const Site& site) { return site.shape.size() == 4; };
  const Site& site = sites[index];
  const auto before = sites.begin() + static_cast<std::ptrdiff_t>(index);
  if (is_conv(site)) {
    const bool first = std::none_of(sites.begin(), before, is_conv);
    return alq::groups_of(site.shape,
                          grouping_of(options_.text(first ? "first_grouping" : "grouping")), 1);
  }
  const auto linear = static_cast<size_t>(index - std::count_if(sites.begin(), before, is_conv));
  const int64_t parts = linear < parts_.size() ? parts_[linear] : parts_for(site.shape.at(1));
  require(site.shape[1] % parts == 0,
          "{}: {} of {} has rows of {} weights, which option parts cannot cut into {}.", kOwner,
          site.name, graph.name, site.shape[1], parts);
  return alq::groups_of(site.shape, Grouping::SubChannel, parts);
}

void Alq::plan(MethodContext& context) {
  const torch::NoGradGuard no_grad;
  const Graph& graph = context.network.graph();
  const std::vector<Site> sites = weight_sites(graph);
  double lost = 0, whole = 0;
  sketches_.clear();
  for (size_t i = 0; i < sites.size(); ++i) {
    const Tensor weight = context.network.parameter(sites[i].point.node, "weight");
    require(weight.is_cpu(), "{} keeps its bases in the CPU's memory only.", kOwner);
    const Groups groups = groups_at(graph, sites, i);
    sketches_.push_back(alq::sketch(groups, weight, bases()));
    const MultiBitQuantizer made(groups, bases(), &sketches_.back(), false);
    lost += (decode(made.encode({})) - weight).square().sum().item<double>();
    whole += weight.square().sum().item<double>();
  }
  calibrate_activations(context);
  context.log(fmt::format("ALQ: {} bases a group miss {:.3f} % of the weights' energy", bases(),
                          100 * lost / std::max(whole, 1e-30)));
}

void Alq::attach(Network& network) {
  const Graph& graph = network.graph();
  sites_ = weight_sites(graph);
  weights_.clear();
  for (size_t i = 0; i < sites_.size(); ++i) {
    weights_.push_back(
        std::make_shared<MultiBitQuantizer>(groups_at(graph, sites_, i), bases(),
                                            sketches_.empty() ? nullptr : &sketches_[i], latent_));
    network.set_tap(sites_[i].point, weights_.back());
  }
  sketches_.clear();
  for (const Site& site : activation_sites(graph)) {
    const auto found = activations_.find(site.name);
    require(found != activations_.end(), "{}: {} has no bases; it must be planned or loaded first.",
            kOwner, site.name);
    network.set_tap(site.point, std::make_shared<alq::SharedBasesQuantizer>(found->second,
                                                                            is_relu(graph, site)));
  }
}

std::vector<Phase> Alq::phases(Network& network, const TrainingBudget& budget) {
  weight_decay_ = budget.optimizer.weight_decay;
  stages_ = alq::staged_phases(options_, budget.epochs, budget.optimizer.lr);
  // Biases and BatchNorm, by Adam with its usual constants at the rate of the weights.
  ParameterGroup rest{"network", {}, {}};
  rest.optimizer.kind = OptimizerConfig::Kind::Adam;
  rest.optimizer.lr = budget.optimizer.lr;
  for (const Tensor& parameter : network.parameters()) {
    const bool replaced = std::any_of(sites_.begin(), sites_.end(), [&](const Site& site) {
      return network.parameter(site.point.node, "weight").is_same(parameter);
    });
    if (!replaced) rest.parameters.push_back(parameter);
  }
  std::vector<Phase> out;
  for (const alq::StagedPhase& staged : stages_) {
    Phase phase = staged.phase;
    phase.clip_grad_norm = budget.clip_grad_norm;
    rest.optimizer.lr = staged.lr;
    phase.groups = {rest};
    phase.keep_optimizer = !out.empty();
    for (const auto& weight : weights_) phase.watched.push_back(weight->leaf());
    out.push_back(std::move(phase));
  }
  return out;
}

void Alq::begin_phase(MethodContext& context, int phase) {
  const auto& staged = stages_.at(static_cast<size_t>(phase));
  for (const auto& weight : weights_) {
    // After an epoch on the bases the coordinates' moments are those of the weights.
    if (staged.stage == Stage::Coordinates || staged.stage == Stage::Prune) {
      const bool moved =
          phase > 0 && (stages_[static_cast<size_t>(phase) - 1].stage == Stage::Bases ||
                        stages_[static_cast<size_t>(phase) - 1].stage == Stage::Polish);
      if (moved) weight->refresh_coordinate_moments();
    }
    if (staged.stage == Stage::Polish) weight->start_latent();
  }
  latent_ = latent_ || staged.stage == Stage::Polish;
  context.log(fmt::format("ALQ: {} at {:.3f} bits a weight", staged.phase.name,
                          alq::average_bits(weights_)));
}

void Alq::after_backward(Network&, const Progress& progress) {
  const auto& staged = stages_.at(static_cast<size_t>(progress.phase));
  const double rate = progress.learning_rate;
  for (const auto& weight : weights_) switch (staged.stage) {
      case Stage::Bases:
      case Stage::Polish:
        weight->step_bases(rate);
        break;
      case Stage::Coordinates:
        weight->step_coordinates(rate, weight_decay_);
        break;
      case Stage::Prune:
        weight->step_moments();
        break;
    }
  if (staged.stage != Stage::Prune) return;
  alq::PruneRule rule;
  rule.share = options_.real("prune_share");
  rule.proposed = options_.real("propose_share");
  rule.batches = static_cast<double>(progress.epochs) * static_cast<double>(progress.steps);
  rule.target = options_.real("target_bits");
  alq::prune(weights_, rule, rate, progress.random);
}

EpochVerdict Alq::after_epoch(Network&, const EpochReport& report) {
  EpochVerdict verdict;
  const auto now = static_cast<size_t>(report.progress.phase);
  if (stages_.at(now).stage != Stage::Prune ||
      alq::average_bits(weights_) > options_.real("target_bits"))
    return verdict;
  for (size_t next = now + 1; next < stages_.size(); ++next) {
    if (!stages_[next].polishing) continue;
    verdict.end_phase = true;
    verdict.next_phase = stages_[next].phase.name;
    break;
  }
  return verdict;
}

Figures Alq::figures() const {
  double bits = 0, elements = 0, coordinates = 0;
  for (const auto& weight : weights_) {
    coordinates += static_cast<double>(weight->bases());
    bits += weight->sign_bits();
    elements += static_cast<double>(weight->groups().count * weight->groups().length);
  }
  return {{"average_bits", alq::average_bits(weights_)},
          {"coordinates", coordinates},
          {"paper_bytes", (bits + 32 * coordinates) / 8},
          {"compression", bits > 0 ? 32 * elements / (bits + 32 * coordinates) : 0}};
}

PaperSize Alq::paper_size(const Site& site, const Encoding& encoding) const {
  const auto* bases = std::get_if<MultiBitEncoding>(&encoding);
  if (!bases) return {};
  return {static_cast<double>(bases->signs.numel() + 32 * bases->coefficients.numel()),
          site.elements};
}

std::map<std::string, std::string> Alq::artefacts() const {
  std::string table = "site,grouping_length,groups,bases,bits_average,groups_without_base\n";
  for (size_t i = 0; i < weights_.size(); ++i) {
    const MultiBitQuantizer& weight = *weights_[i];
    table += fmt::format(
        "{},{},{},{},{:.4f},{}\n", sites_[i].name, weight.groups().length, weight.groups().count,
        weight.bases(),
        static_cast<double>(weight.bases()) / static_cast<double>(weight.groups().count),
        (weight.counts() == 0).sum().item<int64_t>());
  }
  return {{"bases.csv", table}};
}

}  // namespace quantbench
