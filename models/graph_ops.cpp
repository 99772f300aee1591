#include "models/graph_ops.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "base/vector_units.h"
#include "models/edge_rows.h"

namespace quantbench {
namespace {

enum class End { Source, Target };

const Tensor& ends(const Topology& topology, End end) {
  return end == End::Source ? topology.source() : topology.target();
}

// Sums rows of `messages` per node: row order[k] for k in offsets[v]..offsets[v+1]-1.
Tensor segment_sum(const Tensor& messages, const Topology& topology, End end) {
  const auto nodes = topology.node_count();
  if (!messages.is_cpu() || messages.scalar_type() != torch::kFloat)
    return torch::zeros({nodes, messages.size(1)}, messages.options())
        .index_add(0, ends(topology, end), messages);
  const Tensor rows = messages.contiguous();
  const int64_t width = rows.size(1);
  Tensor out = torch::zeros({nodes, width}, rows.options());
  const bool by_source = end == End::Source;
  const auto* offsets =
      (by_source ? topology.source_offsets() : topology.offsets()).data_ptr<int64_t>();
  const int64_t* order = by_source ? topology.by_source().data_ptr<int64_t>() : nullptr;
  const float* from = rows.data_ptr<float>();
  float* to = out.data_ptr<float>();
  at::parallel_for(0, nodes, 256, [&](int64_t first, int64_t last) {
    for (int64_t v = first; v < last; ++v)
      for (int64_t k = offsets[v]; k < offsets[v + 1]; ++k) {
        const float* row = from + (order ? order[k] : k) * width;
        for (int64_t f = 0; f < width; ++f) to[v * width + f] += row[f];
      }
  });
  return out;
}

// The greatest row entries per target, [N, H]; no gradient.
Tensor segment_max(const Tensor& logits, const Topology& topology) {
  const int64_t nodes = topology.node_count(), width = logits.size(1);
  Tensor out = torch::zeros({nodes, width}, logits.options());
  if (!logits.is_cpu() || logits.scalar_type() != torch::kFloat)
    return out.scatter_reduce(0, topology.target().unsqueeze(1).expand_as(logits), logits, "amax",
                              /*include_self=*/false);
  const Tensor rows = logits.contiguous();
  const auto* offsets = topology.offsets().data_ptr<int64_t>();
  const float* from = rows.data_ptr<float>();
  float* to = out.data_ptr<float>();
  for (int64_t v = 0; v < nodes; ++v)
    for (int64_t k = offsets[v]; k < offsets[v + 1]; ++k)
      for (int64_t h = 0; h < width; ++h) {
        float& best = to[v * width + h];
        best = k == offsets[v] ? from[k * width + h] : std::max(best, from[k * width + h]);
      }
  return out;
}

struct Gather : torch::autograd::Function<Gather> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Topology* topology, bool source) {
    context->saved_data["source"] = source;
    // The batch that owns the topology is alive until its backward pass is done.
    context->saved_data["topology"] = reinterpret_cast<int64_t>(topology);
    return x.index_select(0, ends(*topology, source ? End::Source : End::Target));
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients);
};

struct Sum : torch::autograd::Function<Sum> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& messages,
                        const Topology* topology, bool source) {
    context->saved_data["source"] = source;
    context->saved_data["topology"] = reinterpret_cast<int64_t>(topology);
    return segment_sum(messages, *topology, source ? End::Source : End::Target);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients);
};

// Whether the fused kernels take these; a weight that learns needs its own gradient.
bool fuses(const Tensor& rows, const Tensor& weight) {
  const auto plain = [](const Tensor& t) { return t.is_cpu() && t.scalar_type() == torch::kFloat; };
  return plain(rows) && plain(weight) && !weight.requires_grad();
}

// out[e] = x[source[e]] * weight[e].
Tensor weighted_gather(const Tensor& x, const Tensor& weight, const Topology& topology) {
  const Tensor rows = x.contiguous(), by = weight.contiguous();
  const int64_t edges = by.numel(), width = rows.size(1);
  Tensor out = torch::empty({edges, width}, rows.options());
  const Tensor source = topology.source().contiguous();
  const auto* from_row = source.data_ptr<int64_t>();
  const float *from = rows.data_ptr<float>(), *factor = by.data_ptr<float>();
  float* to = out.data_ptr<float>();
  at::parallel_for(0, edges, 256, [&](int64_t first, int64_t last) {
    for (int64_t e = first; e < last; ++e) {
      const float* row = from + from_row[e] * width;
      for (int64_t f = 0; f < width; ++f) to[e * width + f] = row[f] * factor[e];
    }
  });
  return out;
}

// out[v] = the sum of messages[e] * weight[e] over the edges that leave v.
Tensor weighted_sum(const Tensor& messages, const Tensor& weight, const Topology& topology) {
  const Tensor rows = messages.contiguous(), by = weight.contiguous();
  const int64_t nodes = topology.node_count(), width = rows.size(1);
  Tensor out = torch::zeros({nodes, width}, rows.options());
  const auto* offsets = topology.source_offsets().data_ptr<int64_t>();
  const auto* order = topology.by_source().data_ptr<int64_t>();
  const float *from = rows.data_ptr<float>(), *factor = by.data_ptr<float>();
  float* to = out.data_ptr<float>();
  at::parallel_for(0, nodes, 256, [&](int64_t first, int64_t last) {
    for (int64_t v = first; v < last; ++v)
      for (int64_t k = offsets[v]; k < offsets[v + 1]; ++k) {
        const float* row = from + order[k] * width;
        const float share = factor[order[k]];
        for (int64_t f = 0; f < width; ++f) to[v * width + f] += row[f] * share;
      }
  });
  return out;
}

const Topology* saved_topology(torch::autograd::AutogradContext* context);

// Each is the other's transpose.
struct WeightedSum;
struct WeightedGather : torch::autograd::Function<WeightedGather> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Topology* topology) {
    context->save_for_backward({weight});
    context->saved_data["topology"] = reinterpret_cast<int64_t>(topology);
    return weighted_gather(x, weight, *topology);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients);
};

struct WeightedSum : torch::autograd::Function<WeightedSum> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& messages,
                        const Tensor& weight, const Topology* topology) {
    context->save_for_backward({weight});
    context->saved_data["topology"] = reinterpret_cast<int64_t>(topology);
    return weighted_sum(messages, weight, *topology);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const Tensor weight = context->get_saved_variables()[0];
    return {WeightedGather::apply(gradients[0], weight, saved_topology(context)), Tensor(),
            Tensor()};
  }
};

torch::autograd::variable_list WeightedGather::backward(torch::autograd::AutogradContext* context,
                                                        torch::autograd::variable_list gradients) {
  const Tensor weight = context->get_saved_variables()[0];
  return {WeightedSum::apply(gradients[0], weight, saved_topology(context)), Tensor(), Tensor()};
}

const Topology* saved_topology(torch::autograd::AutogradContext* context) {
  return reinterpret_cast<const Topology*>(context->saved_data["topology"].toInt());
}

torch::autograd::variable_list Gather::backward(torch::autograd::AutogradContext* context,
                                                torch::autograd::variable_list gradients) {
  const bool source = context->saved_data["source"].toBool();
  return {Sum::apply(gradients[0], saved_topology(context), source), Tensor(), Tensor()};
}

torch::autograd::variable_list Sum::backward(torch::autograd::AutogradContext* context,
                                             torch::autograd::variable_list gradients) {
  const bool source = context->saved_data["source"].toBool();
  return {Gather::apply(gradients[0], saved_topology(context), source), Tensor(), Tensor()};
}

QUANTBENCH_CLONES
void sum_edges(const float* x, int64_t width, const EdgeRows& edges, int64_t first, int64_t last,
               float* out) {
  for (int64_t v = first; v < last; ++v) {
    float* __restrict to = out + v * width;
    for (int64_t k = edges.offsets[v]; k < edges.offsets[v + 1]; ++k) {
      const int64_t e = edges.edge(k);
      const float* __restrict row = x + edges.other[e] * width;
      const float share = edges.factor(e);
      for (int64_t f = 0; f < width; ++f) to[f] += row[f] * share;
    }
  }
}

// Towards the targets, or (the transpose) back towards the sources.
struct Propagate : torch::autograd::Function<Propagate> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Topology* topology, bool forwards) {
    context->save_for_backward({weight});
    context->saved_data["topology"] = reinterpret_cast<int64_t>(topology);
    context->saved_data["forwards"] = forwards;
    const Tensor rows = x.contiguous(), by = weight.contiguous();
    Tensor out = torch::zeros_like(rows);
    const Tensor factors = by.numel() ? by : Tensor();
    const EdgeRows edges =
        forwards ? edges_by_target(*topology, factors) : edges_by_source(*topology, factors);
    at::parallel_for(0, topology->node_count(), 256, [&](int64_t first, int64_t last) {
      sum_edges(rows.data_ptr<float>(), rows.size(1), edges, first, last, out.data_ptr<float>());
    });
    return out;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const bool forwards = context->saved_data["forwards"].toBool();
    return {Propagate::apply(gradients[0], context->get_saved_variables()[0],
                             saved_topology(context), !forwards),
            Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor propagate(const Tensor& x, const Tensor& weight, const Topology& topology) {
  const Tensor factors = weight.defined() ? weight : torch::empty({0});
  if (fuses(x, factors)) return Propagate::apply(x, factors, &topology, true);
  return sum_at_target(messages(x, weight, topology), topology);
}

Tensor messages(const Tensor& x, const Tensor& weight, const Topology& topology) {
  return weight.defined() ? gather_source(x, weight, topology) : gather_source(x, topology);
}

Tensor gather_source(const Tensor& x, const Topology& topology) {
  return Gather::apply(x, &topology, true);
}

Tensor gather_source(const Tensor& x, const Tensor& weight, const Topology& topology) {
  if (!fuses(x, weight)) return gather_source(x, topology) * weight.unsqueeze(1);
  return WeightedGather::apply(x, weight, &topology);
}

Tensor gather_target(const Tensor& x, const Topology& topology) {
  return Gather::apply(x, &topology, false);
}

Tensor sum_at_target(const Tensor& messages, const Topology& topology) {
  return Sum::apply(messages, &topology, false);
}

Tensor sum_at_source(const Tensor& messages, const Topology& topology) {
  return Sum::apply(messages, &topology, true);
}

Tensor softmax_at_target(const Tensor& logits, const Topology& topology) {
  // Any constant per target keeps the softmax; the greatest logit keeps exp() in range.
  const Tensor largest = segment_max(logits.detach(), topology);
  const Tensor weights = (logits - largest.index_select(0, topology.target())).exp();
  const Tensor total = sum_at_target(weights, topology);
  return weights / gather_target(total, topology);
}

Tensor read_out(const Tensor& x, const Topology& topology, bool mean) {
  if (!topology.graph_of_node().defined()) return mean ? x.mean(0, true) : x.sum(0, true);
  const Tensor& graph = topology.graph_of_node();
  const Tensor sum =
      torch::zeros({topology.graph_count(), x.size(1)}, x.options()).index_add(0, graph, x);
  if (!mean) return sum;
  const Tensor count = torch::zeros({topology.graph_count(), 1}, x.options())
                           .index_add(0, graph, torch::ones({x.size(0), 1}, x.options()));
  return sum / count.clamp_min(1);
}

}  // namespace quantbench
