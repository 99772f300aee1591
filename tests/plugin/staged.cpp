// An example of a method that trains in three phases, built out of tree like any other: weights on
// grids that follow them; then activations on ranges calibrated under those weights, while only
// what is no quantized weight learns; then everything, at a tenth of the rate. Its state is the
// phase and the ranges, from which attach() builds the quantizers again when a run resumes.
#include "methods/common/calibration.h"
#include "methods/common/range_quantizers.h"
#include "methods/method.h"

namespace {

using namespace quantbench;

class Staged : public Method {
 public:
  explicit Staged(const OptionValues& options)
      : weight_bits_(options.integer("weight_bits")),
        activation_bits_(options.integer("activation_bits")) {}

  void plan(MethodContext& context) override {
    ranges_ = calibrate(context.network, context.calibration, weight_sites(context.network.graph()),
                        [this](const Site&) { return grid_of(weight_bits_, Scheme::Symmetric); });
  }

  void attach(Network& network) override {
    const Graph& graph = network.graph();
    for (const Site& site : weight_sites(graph))
      network.set_tap(site.point, std::make_shared<RangeWeightQuantizer>(
                                      range_of(site), weight_bits_, Scheme::Symmetric,
                                      RangeWeightQuantizer::Follow::Weight));
    if (!calibrated_) return;
    for (const Site& site : operand_sites(graph))
      network.set_tap(site.point, std::make_shared<RangeActivationQuantizer>(
                                      range_of(site), activation_bits_, is_relu(graph, site),
                                      RangeActivationQuantizer::Follow::Fixed));
  }

  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override {
    if (budget.epochs == 0) return {};
    const int64_t third = (budget.epochs + 2) / 3;
    Phase weights = Method::phases(network, budget).at(0);
    weights.name = "weights";
    weights.epochs = third;
    weights.schedule.kind = Schedule::Kind::Constant;
    Phase activations = weights, all = weights;
    activations.name = "activations";
    activations.groups = {{"others", others(network), budget.optimizer}};
    all.name = "all";
    for (ParameterGroup& group : all.groups) group.optimizer.lr *= 0.1;
    return {weights, activations, all};
  }

  void begin_phase(MethodContext& context, int phase) override {
    if (phase == 1) quantize_activations(context);
  }

  void freeze(MethodContext& context) override {
    if (!calibrated_) quantize_activations(context);
  }

  MethodState save() const override { return {{{"calibrated", calibrated_}}, ranges_}; }
  void load(const MethodState& state) override {
    calibrated_ = state.values.at("calibrated");
    ranges_ = state.tensors;
  }

 private:
  ObserverConfig grid_of(BitWidth bits, Scheme scheme) const {
    ObserverConfig config;
    config.bits = bits;
    config.scheme = scheme;
    config.granularity = granularity_of(scheme);
    return config;
  }

  // A scale a channel for weights, one a tensor for activations.
  static Granularity granularity_of(Scheme scheme) {
    return scheme == Scheme::Symmetric ? Granularity::Channel : Granularity::Tensor;
  }

  Range range_of(const Site& site) const {
    return range_at(ranges_, site,
                    granularity_of(site.is_weight() ? Scheme::Symmetric : Scheme::Affine),
                    "method staged_example");
  }

  // Everything but the weights of convolutions and linear layers.
  static std::vector<Tensor> others(const Network& network) {
    std::vector<Tensor> out;
    for (const Tensor& parameter : network.parameters()) {
      bool is_weight = false;
      for (const Site& site : weight_sites(network.graph()))
        is_weight |= parameter.is_same(network.parameter(site.point.node, "weight"));
      if (!is_weight) out.push_back(parameter);
    }
    return out;
  }

  void quantize_activations(MethodContext& context) {
    for (auto& [name, range] :
         calibrate(context.network, context.calibration, operand_sites(context.network.graph()),
                   [this](const Site&) { return grid_of(activation_bits_, Scheme::Affine); }))
      ranges_[name] = range;
    calibrated_ = true;
    attach(context.network);
  }

  BitWidth weight_bits_, activation_bits_;
  bool calibrated_ = false;
  Calibration ranges_;
};

MethodCard card() {
  MethodCard card;
  card.name = "staged_example";
  card.title = "Weights, then activations, then both: the example of a method in three phases";
  card.paper = "none; it shows the interface";
  card.year = 2024;
  card.quantizes = "weights, activations";
  card.options = {Option::integer("weight_bits", 4, 2, 8, "bits of every weight"),
                  Option::integer("activation_bits", 8, 2, 8, "bits of every operand")};
  return card;
}

QUANTBENCH_METHOD(card(), Staged);

}  // namespace
