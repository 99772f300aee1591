#include "runtime/reference_graph.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "runtime/float_math.h"

namespace quantbench {
namespace {

constexpr int64_t kRowsAtOnce = 256;

const int64_t* numbers(const Tensor& t) { return t.data_ptr<int64_t>(); }

float real(const Data& x, float scale, size_t i) {
  return x.on_grid ? static_cast<float>(x.n[i]) * scale : x.x[i];
}

template <typename Acc>
void finish_mean(const Acc* acc, int64_t count, int64_t row, int64_t elements,
                 const std::vector<Data>& values, const Finisher& finish, Data& out) {
  std::vector<float> mean(static_cast<size_t>(elements));
  const auto divisor = static_cast<float>(std::max<int64_t>(count, 1));
  for (int64_t i = 0; i < elements; ++i)
    mean[static_cast<size_t>(i)] = static_cast<float>(acc[i]) / divisor;
  finish.apply(mean.data(), row, 0, elements, values, out);
}

template <typename Acc>
Acc number(const Data& x, size_t i) {
  if constexpr (std::is_same_v<Acc, float>)
    return x.x[i];
  else
    return x.n[i];
}

std::optional<Quantizer> quantizer(const std::optional<Quantization>& how,
                                   const std::vector<int64_t>& shape) {
  if (!how) return std::nullopt;
  return Quantizer(*how, shape);
}

}  // namespace

ReferenceAggregate::ReferenceAggregate(const Step& step, const Plan& plan)
    : work_(std::get<Aggregate>(step.work)), input_(step.inputs[0]) {
  const PlanValue& input = plan.values[static_cast<size_t>(input_)];
  features_ = Extent::of(input.shape).elements();
  if (input.grid) scale_ = input.grid->scale;
  norm_ = quantizer(work_.norm_format, {});
  message_ = quantizer(work_.message_format, input.shape);
}

template <typename Acc>
Data ReferenceAggregate::run_as(const std::vector<Data>& values, const Topology& graph,
                                const Finisher& finish) const {
  const Data& x = values[static_cast<size_t>(input_)];
  const bool gcn = work_.reduce == op::Reduce::Gcn;
  const int64_t *offsets = numbers(graph.offsets()), *source = numbers(graph.source());
  const auto inverse_root = [&](int64_t v) {
    const auto degree = static_cast<float>(std::max<int64_t>(offsets[v + 1] - offsets[v], 1));
    return 1.0f / std::sqrt(degree);
  };
  Data out = finish.prepare(graph.node_count());
  at::parallel_for(0, graph.node_count(), kRowsAtOnce, [&](int64_t first, int64_t last) {
    std::vector<Acc> acc(static_cast<size_t>(features_));
    for (int64_t v = first; v < last; ++v) {
      std::fill(acc.begin(), acc.end(), Acc(0));
      for (int64_t e = offsets[v]; e < offsets[v + 1]; ++e) {
        float norm = 1;
        int64_t norm_n = 1;
        if (gcn) {
          norm = inverse_root(source[e]) * inverse_root(v);
          if (norm_) {
            const float u = std::fma(work_.norm_a, norm, work_.norm_b);
            if (work_.norm_on_grid) {
              norm_n = norm_->integer(u, 0);
              norm = static_cast<float>(norm_n) * work_.norm_scale;
            } else {
              norm = norm_->number(u, 0);
            }
          }
        }
        for (int64_t f = 0; f < features_; ++f) {
          const auto from = static_cast<size_t>(source[e] * features_ + f);
          const int64_t product = work_.products ? x.n[from] * norm_n : 0;
          float message = 0;
          if (work_.products)
            message = static_cast<float>(product);
          else
            message = gcn ? real(x, scale_, from) * norm : real(x, scale_, from);
          Acc& sum = acc[static_cast<size_t>(f)];
          if (message_) {
            const float u = std::fma(work_.message_a, message, work_.message_b);
            if (work_.message_on_grid)
              sum += static_cast<Acc>(message_->integer(u, f));
            else
              sum += static_cast<Acc>(message_->number(u, f));
          } else {
            sum += work_.products ? static_cast<Acc>(product) : static_cast<Acc>(message);
          }
        }
      }
      if (work_.reduce == op::Reduce::Mean)
        finish_mean(acc.data(), offsets[v + 1] - offsets[v], v, features_, values, finish, out);
      else
        finish.apply(acc.data(), v, 0, features_, values, out);
    }
  });
  return out;
}

Data ReferenceAggregate::run(const std::vector<Data>& values, const Topology& graph,
                             const Finisher& finish) const {
  const Topology& edges = work_.self_loops ? *graph.with_self_loops() : graph;
  return work_.message_on_grid ? run_as<int64_t>(values, edges, finish)
                               : run_as<float>(values, edges, finish);
}

ReferenceAttention::ReferenceAttention(const Step& step, const Plan& plan)
    : work_(std::get<Attend>(step.work)), input_(step.inputs[0]) {
  const PlanValue& input = plan.values[static_cast<size_t>(input_)];
  if (input.grid) scale_ = input.grid->scale;
  source_ = spread<float>(work_.source, {});
  target_ = spread<float>(work_.target, {});
  logit_ = quantizer(work_.logit_format, {work_.heads});
  message_ = quantizer(work_.message_format, input.shape);
}

std::vector<float> ReferenceAttention::weights(const std::vector<float>& x,
                                               const Topology& graph) const {
  const int64_t heads = work_.heads, features = work_.features, nodes = graph.node_count();
  const int64_t *offsets = numbers(graph.offsets()), *source = numbers(graph.source());
  std::vector<float> at_source(static_cast<size_t>(nodes * heads), 0.0f), at_target = at_source;
  for (int64_t v = 0; v < nodes; ++v)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t f = 0; f < features; ++f) {
        const auto i = static_cast<size_t>(h * features + f),
                   k = static_cast<size_t>(v * heads + h);
        const float value = x[static_cast<size_t>(v * heads * features) + i];
        at_source[k] = std::fma(source_[i], value, at_source[k]);
        at_target[k] = std::fma(target_[i], value, at_target[k]);
      }
  std::vector<float> out(static_cast<size_t>(graph.edge_count() * heads));
  at::parallel_for(0, nodes, kRowsAtOnce, [&](int64_t first, int64_t last) {
    for (int64_t v = first; v < last; ++v)
      for (int64_t h = 0; h < heads; ++h) {
        float largest = -INFINITY, total = 0;
        for (int64_t e = offsets[v]; e < offsets[v + 1]; ++e) {
          float l = at_source[static_cast<size_t>(source[e] * heads + h)] +
                    at_target[static_cast<size_t>(v * heads + h)];
          if (logit_) {
            const float u = std::fma(work_.logit_a, l, work_.logit_b);
            l = work_.logit_on_grid ? static_cast<float>(logit_->integer(u, h)) * work_.logit_scale
                                    : logit_->number(u, h);
          }
          if (l < 0) l *= work_.negative_slope;
          out[static_cast<size_t>(e * heads + h)] = l;
          if (l > largest) largest = l;
        }
        for (int64_t e = offsets[v]; e < offsets[v + 1]; ++e) {
          float& w = out[static_cast<size_t>(e * heads + h)];
          w = plan_exp(w - largest);
          total += w;
        }
        for (int64_t e = offsets[v]; e < offsets[v + 1]; ++e)
          out[static_cast<size_t>(e * heads + h)] /= total;
      }
  });
  return out;
}

template <typename Acc>
Data ReferenceAttention::run_as(const std::vector<Data>& values, const Topology& graph,
                                const Finisher& finish) const {
  const Data& input = values[static_cast<size_t>(input_)];
  const int64_t heads = work_.heads, features = work_.features, all = heads * features;
  std::vector<float> x(static_cast<size_t>(input.rows * all));
  for (size_t i = 0; i < x.size(); ++i) x[i] = real(input, scale_, i);
  const std::vector<float> weight = weights(x, graph);
  const int64_t *offsets = numbers(graph.offsets()), *source = numbers(graph.source());
  Data out = finish.prepare(graph.node_count());
  at::parallel_for(0, graph.node_count(), kRowsAtOnce, [&](int64_t first, int64_t last) {
    std::vector<Acc> acc(static_cast<size_t>(all));
    for (int64_t v = first; v < last; ++v) {
      std::fill(acc.begin(), acc.end(), Acc(0));
      for (int64_t e = offsets[v]; e < offsets[v + 1]; ++e)
        for (int64_t i = 0; i < all; ++i) {
          const float message = x[static_cast<size_t>(source[e] * all + i)] *
                                weight[static_cast<size_t>(e * heads + i / features)];
          Acc& sum = acc[static_cast<size_t>(i)];
          const float u = std::fma(work_.message_a, message, work_.message_b);
          if (!message_)
            sum += static_cast<Acc>(message);
          else if (work_.message_on_grid)
            sum += static_cast<Acc>(message_->integer(u, i));
          else
            sum += static_cast<Acc>(message_->number(u, i));
        }
      if (!work_.concat)
        for (int64_t h = 1; h < heads; ++h)
          for (int64_t f = 0; f < features; ++f)
            acc[static_cast<size_t>(f)] += acc[static_cast<size_t>(h * features + f)];
      finish.apply(acc.data(), v, 0, work_.concat ? all : features, values, out);
    }
  });
  return out;
}

Data ReferenceAttention::run(const std::vector<Data>& values, const Topology& graph,
                             const Finisher& finish) const {
  const Topology& edges = *graph.with_self_loops();
  return work_.message_on_grid ? run_as<int64_t>(values, edges, finish)
                               : run_as<float>(values, edges, finish);
}

namespace {

template <typename Acc>
Data read_out_as(const Step& step, const Data& x, const std::vector<Data>& values,
                 const Topology& graph, const Finisher& finish) {
  const int64_t nodes = graph.node_count(), graphs = graph.graph_count();
  const auto size =
      (x.on_grid ? x.n.size() : x.x.size()) / static_cast<size_t>(std::max<int64_t>(nodes, 1));
  const auto features = static_cast<int64_t>(size);
  const int64_t* of_node =
      graph.graph_of_node().defined() ? numbers(graph.graph_of_node()) : nullptr;
  std::vector<Acc> acc(static_cast<size_t>(graphs * features), Acc(0));
  std::vector<int64_t> count(static_cast<size_t>(graphs), 0);
  for (int64_t v = 0; v < nodes; ++v) {
    const int64_t to = of_node ? of_node[v] : 0;
    ++count[static_cast<size_t>(to)];
    for (int64_t f = 0; f < features; ++f)
      acc[static_cast<size_t>(to * features + f)] +=
          number<Acc>(x, static_cast<size_t>(v * features + f));
  }
  Data out = finish.prepare(graphs);
  const bool mean = std::get<ReadOut>(step.work).reduce == op::Reduce::Mean;
  for (int64_t g = 0; g < graphs; ++g) {
    const Acc* sums = acc.data() + g * features;
    if (mean)
      finish_mean(sums, count[static_cast<size_t>(g)], g, features, values, finish, out);
    else
      finish.apply(sums, g, 0, features, values, out);
  }
  return out;
}

}  // namespace

Data read_out(const Step& step, const std::vector<Data>& values, const Topology& graph,
              const Finisher& finish) {
  const Data& x = values[static_cast<size_t>(step.inputs[0])];
  return x.on_grid ? read_out_as<int64_t>(step, x, values, graph, finish)
                   : read_out_as<float>(step, x, values, graph, finish);
}

}  // namespace quantbench
