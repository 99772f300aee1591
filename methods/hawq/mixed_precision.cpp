#include "methods/hawq/mixed_precision.h"

#include <cmath>

#include "methods/common/bit_allocation.h"
#include "methods/common/observer_options.h"
#include "methods/common/range_quantizers.h"

namespace quantbench {
namespace {

constexpr int64_t kImagesAtOnce = 128;

std::vector<Site> quantized_sites(const Graph& graph) {
  std::vector<Site> sites = weight_sites(graph);
  for (Site& site : operand_sites(graph)) sites.push_back(std::move(site));
  return sites;
}

}  // namespace

std::vector<Option> mixed_precision_options() {
  std::vector<Option> out{
      Option::choice("mode", "qat", {"qat", "ptq"},
                     "quantization-aware training at the chosen bits, or none"),
      Option::real("weight_bits", 4, 1, 16,
                   "budget: mean bits of the weights whose width is chosen"),
      Option::integer("activation_bits", 4, 1, 16, "bits of activations"),
      Option::integer("least_bits", 2, 1, 16, "smallest width to choose from"),
      Option::integer("most_bits", 8, 1, 16, "largest width to choose from"),
      Option::integer("hessian_samples", 256, 1, 1 << 20,
                      "training images that the curvature is taken on"),
      Option::flag("per_channel", true, "a scale for each output channel of a weight"),
      Option::choice("weight_scheme", "affine", {"affine", "symmetric"}, "grid of weights"),
  };
  for (Option& option : observer_options()) out.push_back(std::move(option));
  for (Option& option : site_bits_options()) out.push_back(std::move(option));
  return out;
}

MixedPrecision::MixedPrecision(std::string name, const OptionValues& options)
    : name_(std::move(name)),
      options_(options),
      granularity_(options.flag("per_channel") ? Granularity::Channel : Granularity::Tensor),
      scheme_(options.text("weight_scheme") == "affine" ? Scheme::Affine : Scheme::Symmetric) {
  require(options_.integer("least_bits") <= options_.integer("most_bits"),
          "method {}: option least_bits is above option most_bits.", name_);
}

void MixedPrecision::plan(MethodContext& context) {
  const Graph& graph = context.network.graph();
  model_ = graph.name;
  bits_ = site_bits(graph, std::llround(options_.real("weight_bits")),
                    options_.integer("activation_bits"), options_);
  evidence_ = nlohmann::json::object();
  choose(context);
  calibration_ = calibrate(context.network, context.calibration, quantized_sites(graph),
                           [&](const Site& site) {
                             return site.is_weight() ? weight_observer(bits_of(site))
                                                     : activation_observer(bits_of(site));
                           });
}

std::vector<Batch> MixedPrecision::hessian_batches(MethodContext& context) {
  const torch::NoGradGuard no_grad;
  int64_t left = options_.integer("hessian_samples");
  std::vector<Batch> out;
  double loss = 0, correct = 0, rows = 0;
  for (const Batch& batch : context.calibration) {
    for (int64_t first = 0; first < batch.input.size(0) && left > 0; first += kImagesAtOnce) {
      Batch part = batch;
      if (!batch.topology) {
        const int64_t last = std::min({first + kImagesAtOnce, first + left, batch.input.size(0)});
        part.input = batch.input.slice(0, first, last);
        part.target = batch.target.slice(0, first, last);
      }
      left -= part.input.size(0);
      const Tensor logits = part.scored(context.network.forward(part));
      loss += torch::cross_entropy_loss(logits, part.target, {}, at::Reduction::Sum).item<double>();
      correct += (logits.argmax(1) == part.target).sum().item<double>();
      rows += static_cast<double>(part.target.size(0));
      out.push_back(std::move(part));
      if (batch.topology) break;
    }
  }
  require(rows > 0, "method {}: there is no calibration sample to take the curvature on.", name_);
  const double chance = 1.0 / static_cast<double>(context.network.graph().class_count);
  require(correct / rows > 1.5 * chance,
          "method {}: the network answers {:.1f} % of its own training samples correctly; the "
          "curvature of an untrained network says nothing (train it with fp32.epochs, or load "
          "fp32.weights).",
          name_, 100 * correct / rows);
  evidence_["hessian_samples"] = static_cast<int64_t>(rows);
  evidence_["loss"] = loss / rows;
  evidence_["top1"] = correct / rows;
  return out;
}

std::vector<int64_t> MixedPrecision::widths() const {
  std::vector<int64_t> out;
  for (int64_t b = options_.integer("least_bits"); b <= options_.integer("most_bits"); ++b)
    out.push_back(b);
  return out;
}

double MixedPrecision::perturbation(const Tensor& weight, int64_t bits) const {
  const torch::NoGradGuard no_grad;
  // Ranges that follow a weight in training are its min-max.
  const bool fixed = options_.text("mode") == "ptq" && options_.text("observer") != "minmax";
  Range range;
  if (fixed) {
    const auto observer = make_observer(weight_observer(BitWidth(bits)));
    observer->update(weight);
    range = observer->range();
    range.low = range.low.to(weight.device());
    range.high = range.high.to(weight.device());
  } else {
    range = min_max(weight, granularity_);
  }
  const UniformFormat format = uniform_format(range, BitWidth(bits), scheme_);
  return (quantbench::apply(format, weight) - weight).square().sum(torch::kDouble).item<double>();
}

BitOptions MixedPrecision::weight_options(const Tensor& weight, double cost_per_bit,
                                          double sensitivity) const {
  BitOptions out;
  for (int64_t bits : widths())
    out.push_back(
        {bits, cost_per_bit * static_cast<double>(bits), sensitivity * perturbation(weight, bits)});
  return out;
}

ObserverConfig MixedPrecision::weight_observer(BitWidth bits) const {
  return observer_config(options_, bits, granularity_, scheme_);
}

ObserverConfig MixedPrecision::activation_observer(BitWidth bits) const {
  return observer_config(options_, bits, Granularity::Tensor, Scheme::Affine);
}

BitWidth MixedPrecision::bits_of(const Site& site) const {
  const auto found = bits_.find(site.name);
  require(found != bits_.end(),
          "method {}: site {} has no bits; it must be planned or loaded first.", name_, site.name);
  return BitWidth(found->second);
}

std::shared_ptr<Quantizer> MixedPrecision::quantizer(const Graph& graph, const Site& site) const {
  const std::string owner = "method " + name_;
  if (site.is_weight()) {
    using Follow = RangeWeightQuantizer::Follow;
    const bool binary = bits_of(site).bits() == 1;
    return std::make_shared<RangeWeightQuantizer>(
        range_at(calibration_, site, granularity_, owner), bits_of(site),
        binary ? Scheme::Symmetric : scheme_,
        options_.text("mode") == "ptq" ? Follow::Fixed : Follow::Weight);
  }
  using Follow = RangeActivationQuantizer::Follow;
  const bool fixed = options_.text("mode") == "ptq" || site.point.node == 0;
  return std::make_shared<RangeActivationQuantizer>(
      range_at(calibration_, site, Granularity::Tensor, owner), bits_of(site), is_relu(graph, site),
      fixed ? Follow::Fixed : Follow::MovingAverage);
}

void MixedPrecision::attach(Network& network) {
  const Graph& graph = network.graph();
  const torch::Device device = network.parameters().front().device();
  for (const Site& site : quantized_sites(graph)) {
    const auto tap = quantizer(graph, site);
    tap->to(device);
    network.set_tap(site.point, tap);
  }
}

std::vector<Phase> MixedPrecision::phases(Network& network, const TrainingBudget& budget) {
  if (options_.text("mode") == "ptq") return {};
  return Method::phases(network, budget);
}

MethodState MixedPrecision::save() const {
  return {{{"bits", bits_}, {"evidence", evidence_}, {"model", model_}}, calibration_};
}

void MixedPrecision::load(const MethodState& state) {
  bits_ = state.values.at("bits").get<SiteBits>();
  evidence_ = state.values.at("evidence");
  model_ = state.values.at("model").get<std::string>();
  calibration_ = state.tensors;
}

std::map<std::string, std::string> MixedPrecision::artefacts() const {
  BitAllocation allocation;
  allocation.method = name_;
  allocation.model = model_;
  allocation.bits = bits_;
  allocation.evidence = evidence_;
  return {{"allocation.json", allocation.text()}};
}

}  // namespace quantbench
