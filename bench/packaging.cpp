#include "bench/packaging.h"

#include <cmath>

#include "base/interrupt.h"
#include "runtime/plan.h"

namespace quantbench {
namespace {

const char* kind_of(const Encoding& encoding) {
  static constexpr const char* names[] = {"float", "uniform", "codebook", "multi_bit"};
  return names[encoding.index()];
}

const char* kind_of(const Format& format) {
  static constexpr const char* names[] = {"float", "uniform", "codebook"};
  return names[format.index()];
}

int64_t levels_in_use(const Encoding& encoding) {
  auto distinct = [](const Tensor& codes) { return std::get<0>(torch::_unique(codes)).numel(); };
  if (auto* uniform = std::get_if<UniformEncoding>(&encoding)) return distinct(uniform->codes);
  if (auto* codebook = std::get_if<CodebookEncoding>(&encoding)) return distinct(codebook->codes);
  return 0;
}

// The tensor that the simulated forward pass computes with.
Tensor simulated_weight(const Network& network, const Site& site) {
  const torch::NoGradGuard no_grad;
  const Tensor weight = network.parameter(site.point.node, name_of(site.point.kind));
  const auto tap = network.tap(site.point);
  return tap ? tap->forward(weight, {Batch{}, nullptr, Rows::Parameter}) : weight;
}

void check_weight(const Network& network, const Site& site, const Encoding& encoding, double bits,
                  int64_t levels, std::vector<std::string>& doubts) {
  check(encoding, "Site " + site.name);
  const Tensor simulated = simulated_weight(network, site).to(torch::kCPU).contiguous();
  if (!torch::equal(decode(encoding).reshape(simulated.sizes()), simulated))
    doubts.push_back(
        fmt::format("Site {} decodes to other numbers than the simulation used.", site.name));
  const auto* quantizer = dynamic_cast<const Quantizer*>(network.tap(site.point).get());
  if (!quantizer) return;
  const BitWidth asked = quantizer->bit_width();
  if (bits > asked.bits() || levels > asked.levels())
    doubts.push_back(fmt::format("Site {} uses {} bits and {} levels where {} bits were asked for.",
                                 site.name, bits, levels, asked.bits()));
}

}  // namespace

Packaged make_package(Network& network, const Method& method) {
  Packaged out;
  const Graph& graph = network.graph();
  out.package.graph = graph;
  for (const auto& [name, tensor] : network.state())
    out.package.parameters[name] = tensor.detach().to(torch::kCPU).contiguous();

  const auto add = [&](const PaperSize& size) {
    out.paper_size.bits += size.bits;
    out.paper_size.parameters += size.parameters;
  };
  int64_t weight_elements = 0;
  for (const Site& site : weight_sites(graph)) {
    stop_if_interrupted("packaging");
    Encoding encoding = method.encode(network, site);
    const int64_t code = code_bits(encoding);
    const double bits = static_cast<double>(code) / static_cast<double>(site.elements);
    const int64_t levels = levels_in_use(encoding);
    check_weight(network, site, encoding, bits, levels, out.doubts);
    out.weight_code_bits += code;
    add(method.paper_size(site, encoding));
    weight_elements += site.elements;
    out.sites.push_back({site.name, name_of(site.point.kind), bits, site.elements, site.macs,
                         levels, kind_of(encoding)});
    if (std::holds_alternative<FloatEncoding>(encoding)) continue;
    out.package.parameters.erase(graph.nodes[static_cast<size_t>(site.point.node)].scope +
                                 ".weight");
    out.package.weights.emplace(site.point, std::move(encoding));
  }
  for (const Site& site : bias_sites(graph)) {
    Encoding encoding = method.encode(network, site);
    add(method.paper_size(site, encoding));
    if (std::holds_alternative<FloatEncoding>(encoding)) continue;
    const double bits =
        static_cast<double>(code_bits(encoding)) / static_cast<double>(site.elements);
    check_weight(network, site, encoding, bits, levels_in_use(encoding), out.doubts);
    out.package.parameters.erase(graph.nodes[static_cast<size_t>(site.point.node)].scope + ".bias");
    out.package.weights.emplace(site.point, std::move(encoding));
  }
  out.weight_bits_average = static_cast<double>(out.weight_code_bits) /
                            static_cast<double>(std::max<int64_t>(weight_elements, 1));

  for (const Site& site : all_sites(graph)) {
    if (site.is_weight()) continue;
    Format format = method.format(network, site);
    if (std::holds_alternative<FloatFormat>(format)) continue;
    check(format, "Site " + site.name);
    const double bits = mean_bits(format);
    const auto* quantizer = dynamic_cast<const Quantizer*>(network.tap(site.point).get());
    if (quantizer && bits > quantizer->bit_width().bits())
      out.doubts.push_back(fmt::format("Site {} uses {} bits where {} were asked for.", site.name,
                                       bits, quantizer->bit_width().bits()));
    out.sites.push_back(
        {site.name, name_of(site.point.kind), bits, site.elements, site.macs, 0, kind_of(format)});
    out.package.activations.emplace(site.point, std::move(format));
  }

  const PlanCost of = cost(make_plan(out.package));
  out.macs = of.macs;
  out.bops = std::llround(of.bops);
  out.activation_bits_average = of.activation_bits;
  return out;
}

}  // namespace quantbench
