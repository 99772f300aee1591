#include "methods/hawq/hawq_v2.h"

#include <algorithm>
#include <numeric>

#include "methods/common/exact_trace.h"

namespace quantbench {
namespace {

// A trace below two standard errors cannot be told from none, and a negative one counts as none.
double average_trace(const TraceEstimate& estimate, const Site& site) {
  const bool told = estimate.trace >= 2 * estimate.error;
  return told ? std::max(0.0, estimate.trace) / static_cast<double>(site.elements) : 0.0;
}

nlohmann::json to_json(const Site& site, const TraceEstimate& trace, const BitOptions& options,
                       size_t pick) {
  nlohmann::json omega = nlohmann::json::object();
  for (const BitOption& option : options) omega[std::to_string(option.bits)] = option.perturbation;
  return {{"site", site.name},
          {"elements", site.elements},
          {"macs", site.macs},
          {"trace", trace.trace},
          {"trace_standard_error", trace.error},
          {"trace_samples", trace.samples},
          {"average_trace", average_trace(trace, site)},
          {"omega", omega},
          {"bits", options[pick].bits}};
}

nlohmann::json to_json(const BitChoice& choice) {
  return {{"cost", choice.cost}, {"omega", choice.perturbation}};
}

// Most sensitive first, for the restricted search.
std::vector<size_t> by_average_trace(const std::vector<Site>& sites,
                                     const std::vector<TraceEstimate>& traces) {
  std::vector<size_t> order(sites.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return average_trace(traces[a], sites[a]) > average_trace(traces[b], sites[b]);
  });
  return order;
}

}  // namespace

MethodCard hawq_v2_card() {
  MethodCard card;
  card.name = "hawq_v2";
  card.title = "HAWQ-V2: bits by average Hessian trace, on the frontier of size and perturbation";
  card.paper =
      "Dong et al., HAWQ-V2: Hessian Aware trace-Weighted Quantization of Neural Networks, NeurIPS "
      "2020";
  card.arxiv = "1911.03852";
  card.year = 2020;
  card.quantizes = "weights, activations";
  card.options = mixed_precision_options();
  card.options.push_back(Option::choice(
      "limit", "size", {"size", "bops", "knee"},
      "what weight_bits limits: the weights' size, the bit operations of such a uniform network; "
      "or nothing: the knee of the frontier is taken"));
  card.options.push_back(Option::choice("search", "exact", {"exact", "monotone"},
                                        "all choices, or only those that fall with the trace"));
  card.options.push_back(Option::choice(
      "activations", "uniform", {"uniform", "mixed"},
      "activation_bits everywhere, or as the mean of bits chosen by activation traces"));
  card.options.push_back(
      Option::choice("traces", "auto", {"auto", "hutchinson"},
                     "without sampling error where the network allows it, or always sampled"));
  return card;
}

QUANTBENCH_METHOD(hawq_v2_card(), HawqV2);

HawqV2::HawqV2(const OptionValues& options) : MixedPrecision("hawq_v2", options) {}

void HawqV2::choose(MethodContext& context) {
  const Graph& graph = context.network.graph();
  const std::vector<Site> weights = free_weight_sites(graph, options());
  std::vector<Site> activations;
  if (options().text("activations") == "mixed")
    activations = free_activation_sites(graph, options());
  if (weights.empty()) return;

  std::vector<Site> sites = weights;
  sites.insert(sites.end(), activations.begin(), activations.end());
  const std::vector<Batch> batches = hessian_batches(context);
  const std::vector<TraceEstimate> all = traces(context, batches, sites);
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(weights.size());
  if (!activations.empty()) choose_activations(context, batches, activations, {middle, all.end()});
  choose_weights(context.network, weights, {all.begin(), middle});
  context.log(fmt::format("HAWQ-V2: {} layers, mean {:.3f} bits, Omega {:.6g} (bound {:.6g})",
                          weights.size(), evidence_["weights"]["mean_bits"].get<double>(),
                          evidence_["weights"]["chosen"]["omega"].get<double>(),
                          evidence_["weights"]["bound"].get<double>()));
}

std::vector<TraceEstimate> HawqV2::traces(MethodContext& context, const std::vector<Batch>& batches,
                                          const std::vector<Site>& sites) {
  const bool exact =
      options().text("traces") == "auto" && has_exact_traces(context.network.graph());
  evidence_["traces"] = exact ? "gauss-newton" : "hutchinson";
  if (exact) return exact_traces(context.network, batches, sites, context.random.child(0));
  std::vector<Tensor> parameters;
  for (const Site& site : sites) {
    require(site.is_weight(),
            "method hawq_v2: activation traces need a piecewise linear network and traces = auto.");
    parameters.push_back(context.network.parameter(site.point.node, "weight"));
  }
  const BlockHessian hessian(context.loss, batches, std::move(parameters));
  return hutchinson_traces(hessian, context.random.child(0), {});
}

void HawqV2::choose_weights(const Network& network, const std::vector<Site>& sites,
                            const std::vector<TraceEstimate>& traces) {
  const bool bops = options().text("limit") == "bops";
  std::vector<BitOptions> groups;
  double limit = 0;
  for (size_t i = 0; i < sites.size(); ++i) {
    const Point operand = operand_of(network.graph(), sites[i].point.node);
    double per_bit = static_cast<double>(sites[i].elements);
    if (bops) {
      for (const Site& site : operand_sites(network.graph()))
        if (site.point == operand)
          per_bit = static_cast<double>(sites[i].macs * bits_of(site).bits());
    }
    limit += per_bit * options().real("weight_bits");
    groups.push_back(weight_options(network.parameter(sites[i].point.node, "weight"), per_bit,
                                    average_trace(traces[i], sites[i])));
  }
  nlohmann::json& out = evidence_["weights"];
  const std::vector<size_t> order = by_average_trace(sites, traces);
  if (options().text("limit") == "knee") {
    const std::vector<BitChoice> frontier = pareto_frontier(groups);
    limit = frontier[knee(frontier)].cost;
  }
  const BitChoice exact = least_perturbation(groups, limit);
  const BitChoice monotone = least_monotone(groups, order, limit);
  const BitChoice& chosen = options().text("search") == "monotone" ? monotone : exact;

  double elements = 0, size = 0;
  out["layers"] = nlohmann::json::array();
  for (size_t i = 0; i < sites.size(); ++i) {
    const int64_t bits = groups[i][chosen.picks[i]].bits;
    bits_[sites[i].name] = bits;
    elements += static_cast<double>(sites[i].elements);
    size += static_cast<double>(sites[i].elements * bits);
    out["layers"].push_back(to_json(sites[i], traces[i], groups[i], chosen.picks[i]));
  }
  out["limit"] = options().text("limit");
  out["budget"] = limit;
  out["chosen"] = to_json(chosen);
  out["bound"] = relaxed_bound(groups, limit);
  out["exact"] = to_json(exact);
  out["monotone"] = to_json(monotone);
  out["mean_bits"] = size / elements;
}

void HawqV2::choose_activations(MethodContext& context, const std::vector<Batch>& batches,
                                const std::vector<Site>& sites,
                                const std::vector<TraceEstimate>& traces) {
  Network& network = context.network;
  // An observer that minimises the error has a range for each width.
  std::map<int64_t, Calibration> ranges;
  for (int64_t bits : widths())
    ranges[bits] = options().text("observer") == "mse" || ranges.empty()
                       ? calibrate(network, context.calibration, sites,
                                   [&](const Site&) { return activation_observer(BitWidth(bits)); })
                       : ranges.begin()->second;
  std::vector<BitOptions> groups;
  std::map<Point, size_t> index;
  std::vector<Point> points;
  double limit = 0;
  for (const Site& site : sites) {
    index[site.point] = groups.size();
    points.push_back(site.point);
    const auto elements = static_cast<double>(site.elements);
    limit += elements * static_cast<double>(options().integer("activation_bits"));
    BitOptions widths_here;
    for (int64_t bits : widths())
      widths_here.push_back({bits, elements * static_cast<double>(bits), 0});
    groups.push_back(std::move(widths_here));
  }
  const torch::NoGradGuard no_grad;
  for (const Batch& batch : batches)
    network.observe(batch, points, [&](const Point& point, const Tensor& a, const TapContext&) {
      const size_t i = index.at(point);
      const double share =
          average_trace(traces[i], sites[i]) / evidence_["hessian_samples"].get<double>();
      for (BitOption& option : groups[i]) {
        Range range =
            range_at(ranges.at(option.bits), sites[i], Granularity::Tensor, "method hawq_v2");
        range.low = range.low.to(a.device());
        range.high = range.high.to(a.device());
        const Tensor rounded =
            quantbench::apply(uniform_format(range, BitWidth(option.bits), Scheme::Affine), a);
        option.perturbation += share * (rounded - a).square().sum(torch::kDouble).item<double>();
      }
    });

  const BitChoice chosen = least_perturbation(groups, limit);
  nlohmann::json& out = evidence_["activations"];
  out["layers"] = nlohmann::json::array();
  for (size_t i = 0; i < sites.size(); ++i) {
    bits_[sites[i].name] = groups[i][chosen.picks[i]].bits;
    out["layers"].push_back(to_json(sites[i], traces[i], groups[i], chosen.picks[i]));
  }
  out["budget"] = limit;
  out["chosen"] = to_json(chosen);
  out["bound"] = relaxed_bound(groups, limit);
}

}  // namespace quantbench
