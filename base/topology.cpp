#include "base/topology.h"

#include "base/error.h"

namespace quantbench {
namespace {

// Position of the first entry >= k for k = 0..count in the ascending tensor `sorted`: int64
// [count+1].
Tensor starts(const Tensor& sorted, int64_t count) {
  return torch::searchsorted(sorted.contiguous(),
                             torch::arange(count + 1, sorted.options().dtype(torch::kLong)));
}

// The order that sorts keys of 0..count-1, equal ones as they come: counting sort on the CPU, where
// batches of graphs are made.
Tensor stable_order(const Tensor& keys, int64_t count) {
  if (!keys.is_cpu())
    return std::get<1>(torch::sort(keys, /*stable=*/true, /*dim=*/0, /*descending=*/false));
  const Tensor given = keys.contiguous();
  const auto* key = given.data_ptr<int64_t>();
  std::vector<int64_t> next(static_cast<size_t>(count) + 1, 0);
  for (int64_t i = 0; i < keys.size(0); ++i) ++next[static_cast<size_t>(key[i]) + 1];
  for (size_t k = 1; k < next.size(); ++k) next[k] += next[k - 1];
  Tensor out = torch::empty_like(given);
  auto* order = out.data_ptr<int64_t>();
  for (int64_t i = 0; i < keys.size(0); ++i) order[next[static_cast<size_t>(key[i])]++] = i;
  return out;
}

}  // namespace

Topology::Topology(int64_t node_count, Tensor source, Tensor target, Tensor graph_of_node)
    : node_count_(node_count), graph_of_node_(std::move(graph_of_node)) {
  require(source.dim() == 1 && target.dim() == 1 && source.size(0) == target.size(0),
          "A graph needs as many edge sources as targets.");
  if (source.size(0) > 0) {
    const int64_t low = std::min(source.min().item<int64_t>(), target.min().item<int64_t>());
    const int64_t high = std::max(source.max().item<int64_t>(), target.max().item<int64_t>());
    require(low >= 0 && high < node_count,
            "An edge names node {}, but the graph's nodes are 0..{}.", low < 0 ? low : high,
            node_count - 1);
  }
  const Tensor order = stable_order(target, node_count);
  source_ = source.index_select(0, order).contiguous();
  target_ = target.index_select(0, order).contiguous();
  offsets_ = starts(target_, node_count);
  by_source_ = stable_order(source_, node_count);
  source_offsets_ = starts(source_.index_select(0, by_source_), node_count);
  if (graph_of_node_.defined() && node_count > 0)
    graph_count_ = graph_of_node_.max().item<int64_t>() + 1;
}

Tensor Topology::in_degree() const {
  return offsets_.slice(0, 1) - offsets_.slice(0, 0, node_count_);
}

std::shared_ptr<const Topology> Topology::with_self_loops() const {
  if (!with_self_loops_) {
    const Tensor keep = (source_ != target_).nonzero().squeeze(1);
    const Tensor loops = torch::arange(node_count_, source_.options());
    with_self_loops_ = std::make_shared<Topology>(
        node_count_, torch::cat({source_.index_select(0, keep), loops}),
        torch::cat({target_.index_select(0, keep), loops}), graph_of_node_);
  }
  return with_self_loops_;
}

const Tensor& Topology::gcn_norm() const {
  if (!gcn_norm_.defined()) {
    const Tensor scale = in_degree().to(torch::kFloat).clamp_min(1).rsqrt();
    gcn_norm_ = scale.index_select(0, source_) * scale.index_select(0, target_);
  }
  return gcn_norm_;
}

std::shared_ptr<const Topology> Topology::to(torch::Device device) const {
  auto copy = std::make_shared<Topology>(*this);
  for (Tensor* tensor : {&copy->source_, &copy->target_, &copy->offsets_, &copy->by_source_,
                         &copy->source_offsets_, &copy->graph_of_node_, &copy->gcn_norm_})
    if (tensor->defined()) *tensor = tensor->to(device);
  copy->with_self_loops_ = nullptr;
  return copy;
}

}  // namespace quantbench
