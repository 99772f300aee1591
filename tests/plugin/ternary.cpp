// An example of a method built out of tree: ternary weights (Li, Zhang, Liu 2016, arXiv
// 1605.04711). The forward pass uses scale * {-1, 0, +1} with threshold 0.7 mean|w| (eq. 6) and the
// mean magnitude of what lies beyond it as scale (eq. 5), per output channel; the backward pass is
// the identity.
#include "methods/method.h"

namespace {

using namespace quantbench;

class TernaryQuantizer : public Quantizer {
 public:
  Tensor forward(const Tensor& weight, const TapContext&) override {
    const Tensor ternary = dequantize(format_of(weight), codes_of(weight));
    // In this order the value is exactly the ternary one: what is added is zero.
    return ternary + (weight - weight.detach());
  }
  Format format() const override { return FloatFormat{}; }
  Encoding encode(const Tensor& weight) const override {
    return UniformEncoding{format_of(weight), codes_of(weight)};
  }
  BitWidth bit_width() const override { return BitWidth(2); }

 private:
  static Tensor beyond(const Tensor& weight) {
    const Tensor rows = weight.detach().flatten(1).abs();
    return rows.gt(0.7 * rows.mean(1, true));
  }

  static UniformFormat format_of(const Tensor& weight) {
    const Tensor kept = beyond(weight);
    const Tensor magnitude = (weight.detach().flatten(1).abs() * kept).sum(1);
    UniformFormat format;
    format.granularity = Granularity::Channel;
    format.scale = (magnitude / kept.sum(1).clamp_min(1)).clamp_min(1e-8);
    format.zero_point = torch::zeros_like(format.scale, torch::kInt);
    format.bits = torch::full({1}, 2, torch::kByte);
    format.is_signed = true;
    format.narrow = true;
    return format;
  }

  static Tensor codes_of(const Tensor& weight) {
    return (weight.detach().flatten(1).sign() * beyond(weight)).to(torch::kInt).view_as(weight);
  }
};

class Ternary : public Method {
 public:
  explicit Ternary(const OptionValues& options) : all_(options.flag("first_last")) {}

  void attach(Network& network) override {
    const std::vector<Site> sites = weight_sites(network.graph());
    for (size_t i = 0; i < sites.size(); ++i)
      if (all_ || (i > 0 && i + 1 < sites.size()))
        network.set_tap(sites[i].point, std::make_shared<TernaryQuantizer>());
  }

 private:
  bool all_;
};

MethodCard card() {
  MethodCard card;
  card.name = "ternary_example";
  card.title = "Ternary weight networks, the example of an out-of-tree method";
  card.paper = "Li, Zhang, Liu, Ternary Weight Networks, 2016";
  card.arxiv = "1605.04711";
  card.year = 2016;
  card.quantizes = "weights";
  card.options = {Option::flag("first_last", false, "quantize the first and the last layer too")};
  return card;
}

QUANTBENCH_METHOD(card(), Ternary);

}  // namespace
