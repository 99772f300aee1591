#include "methods/degree_quant/site_quantizer.h"

#include <limits>

#include "base/error.h"
#include "methods/common/range.h"
#include "methods/degree_quant/message_sum.h"

namespace quantbench {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// 1 where an element is spared, for a tensor seen as [elements].
Tensor spared_elements(int64_t count, const RandomStream& random, double quantized_share) {
  Tensor out = torch::empty({count}, torch::kUInt8);
  auto* spared = out.data_ptr<uint8_t>();
  for (int64_t i = 0; i < count; ++i)
    spared[i] = random.uniform(static_cast<uint64_t>(i)) >= quantized_share;
  return out;
}

}  // namespace

SiteQuantizer::SiteQuantizer(SiteQuantizerConfig config, std::shared_ptr<TrainingStep> step)
    : config_(config),
      step_(std::move(step)),
      low_(register_buffer("low", torch::full({1}, kInfinity))),
      high_(register_buffer("high", torch::full({1}, -kInfinity))) {}

bool SiteQuantizer::has_range() const { return low_.item<float>() <= high_.item<float>(); }

UniformFormat SiteQuantizer::grid() const {
  // Zero is on every grid.
  const Range range{Granularity::Tensor, low_.clamp_max(0), high_.clamp_min(0)};
  return uniform_format(range, config_.bits, Scheme::Affine);
}

Format SiteQuantizer::format() const {
  require(has_range(), "A Degree-Quant quantizer has seen no values yet.");
  return grid();
}

Tensor SiteQuantizer::keep(const Tensor& x, const TapContext& context) const {
  if (config_.spared == Spared::RandomElements)
    return spared_elements(x.numel(), step_->noise.child(static_cast<uint64_t>(config_.site)),
                           step_->quantized_share)
        .to(x.device());
  if (config_.spared != Spared::ProtectedNodes || !context.batch.topology) return {};
  if (context.rows == Rows::GraphNode)
    return step_->protection.nodes(context.batch.topology, config_.layer);
  if (context.rows == Rows::Edge && context.topology)
    return step_->protection.edges(context.batch.topology, *context.topology, config_.layer);
  return {};
}

Tensor SiteQuantizer::forward(const Tensor& x, const TapContext& context) {
  if (observing_) {
    update_range(config_.range, x, {}, low_, high_);
    return x;
  }
  if (!is_training())
    return masked_quantize(x, {}, std::get<UniformFormat>(format()), config_.gradient);
  const Tensor spared = keep(x, context);
  // Elements that are spared one by one are rows of one element.
  const bool by_element = config_.spared == Spared::RandomElements;
  const Tensor rows = by_element ? x.reshape({-1}) : x;
  Tensor out;
  if (widens_only(config_.range.rule) && x.is_cpu() && has_range()) {
    // After the first steps ranges seldom move: quantize at once, and again if this one must.
    Watch watch{low_.item<float>(), high_.item<float>()};
    out = masked_quantize(rows, spared, grid(), config_.gradient, &watch);
    if (!stays(config_.range, watch.seen)) out.reset();
  }
  if (!out.defined()) {
    update_range(config_.range, rows, spared, low_, high_);
    // Nothing but protected rows so far: there is no grid to put the others on.
    if (!has_range()) return x;
    out = masked_quantize(rows, spared, grid(), config_.gradient);
  }
  return by_element ? out.view_as(x) : out;
}

Tensor SiteQuantizer::sum_messages(const Tensor& x, const Tensor& weight,
                                   const TapContext& context) {
  const bool plain = x.is_cpu() && x.scalar_type() == torch::kFloat &&
                     !(weight.defined() && weight.requires_grad()) && !observing_ && has_range();
  const Topology& topology = *context.topology;
  if (plain && !is_training())
    return masked_message_sum(x, weight, topology, {}, grid(), config_.gradient);
  if (plain && widens_only(config_.range.rule) && config_.spared != Spared::RandomElements) {
    Watch watch{low_.item<float>(), high_.item<float>()};
    Tensor out =
        masked_message_sum(x, weight, topology, keep(x, context), grid(), config_.gradient, &watch);
    if (stays(config_.range, watch.seen)) return out;
  }
  return Quantizer::sum_messages(x, weight, context);
}

}  // namespace quantbench
