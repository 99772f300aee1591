#include "methods/method.h"

namespace quantbench {

Registry<MethodEntry>& methods() {
  static Registry<MethodEntry> registry("method");
  return registry;
}

namespace {

const Quantizer* quantizer_at(const Network& network, const Point& point) {
  return dynamic_cast<const Quantizer*>(network.tap(point).get());
}

}  // namespace

std::vector<Phase> Method::phases(Network& network, const TrainingBudget& budget) {
  if (budget.epochs == 0) return {};
  Phase phase;
  phase.epochs = budget.epochs;
  phase.schedule = budget.schedule;
  phase.clip_grad_norm = budget.clip_grad_norm;
  phase.groups.push_back({"network", network.parameters(), budget.optimizer});
  return {phase};
}

Encoding Method::encode(const Network& network, const Site& site) const {
  const Tensor value = network.parameter(site.point.node, name_of(site.point.kind)).detach();
  const Quantizer* quantizer = quantizer_at(network, site.point);
  if (!quantizer) return FloatEncoding{value};
  return quantizer->encode(value);
}

Format Method::format(const Network& network, const Site& site) const {
  const Quantizer* quantizer = quantizer_at(network, site.point);
  return quantizer ? quantizer->format() : Format(FloatFormat{});
}

PaperSize Method::paper_size(const Site& site, const Encoding& encoding) const {
  if (!site.is_weight()) return {};
  return {static_cast<double>(code_bits(encoding)), site.elements};
}

}  // namespace quantbench
