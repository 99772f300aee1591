#include "methods/common/exact_trace.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "methods/common/signs.h"

namespace quantbench {
namespace {

constexpr int64_t kImagesAtOnce = 32;

// The squared norm of each image's weight gradient, from the layer's input once and the gradient of
// its output many times.
class GradientNorm {
 public:
  // x: the layer's input [N, ...].
  GradientNorm(const Operation& operation, const Tensor& x) {
    if (auto* conv = std::get_if<op::Conv2d>(&operation)) {
      const auto [top, left, bottom, right] = conv->padding;
      const Tensor padded = torch::constant_pad_nd(x, {left, right, top, bottom}).contiguous();
      groups_ = conv->groups;
      input_ = torch::im2col(padded, conv->kernel, {1, 1}, {0, 0}, conv->stride);
      input_ = input_.view({x.size(0) * groups_, -1, input_.size(2)});  // [N G, patch, pixels]
      gram_ = input_.size(2) < input_.size(1);
      input_ =
          gram_ ? torch::bmm(input_.transpose(1, 2), input_) : input_.transpose(1, 2).contiguous();
    } else {
      input_ = x.square().sum(1);
      is_linear_ = true;
    }
  }

  // delta: the gradient of the layer's output [N, ...]. Returns float32 [N].
  Tensor operator()(const Tensor& delta) const {
    if (is_linear_) return delta.square().sum(1) * input_;
    const int64_t images = delta.size(0);
    const Tensor rows = delta.contiguous().view({images * groups_, -1, delta[0][0].numel()});
    const Tensor squares =
        gram_ ? torch::bmm(rows.transpose(1, 2), rows) * input_ : torch::bmm(rows, input_).square();
    return squares.view({images, -1}).sum(1);
  }

 private:
  int64_t groups_ = 1;
  bool is_linear_ = false, gram_ = false;
  Tensor input_;  // pixels' Gram matrix, or patches, or squared norm
};

// Gradients to activations only: weights' own are never formed.
class FrozenParameters {
 public:
  explicit FrozenParameters(Network& network) {
    for (Tensor& parameter : network.parameters())
      if (parameter.requires_grad()) {
        parameter.set_requires_grad(false);
        frozen_.push_back(parameter);
      }
  }
  ~FrozenParameters() {
    for (Tensor& parameter : frozen_) parameter.set_requires_grad(true);
  }
  FrozenParameters(const FrozenParameters&) = delete;
  FrozenParameters& operator=(const FrozenParameters&) = delete;

 private:
  std::vector<Tensor> frozen_;
};

std::vector<Batch> in_parts(const std::vector<Batch>& batches) {
  std::vector<Batch> out;
  for (const Batch& batch : batches)
    for (int64_t first = 0; first < batch.input.size(0); first += kImagesAtOnce) {
      const int64_t last = std::min(first + kImagesAtOnce, batch.input.size(0));
      Batch part;
      part.input = batch.input.slice(0, first, last);
      part.target = batch.target.slice(0, first, last);
      out.push_back(std::move(part));
    }
  return out;
}

// The gradients of the logits whose squared norms are summed, column by column.
class Columns {
 public:
  Columns(int64_t classes, int64_t most_classes, const RandomStream& stream)
      : sampled_(classes > most_classes), stream_(stream) {}

  bool sampled() const { return sampled_; }

  // Column k for images first.. with probabilities p [N, classes].
  Tensor operator()(const Tensor& p, int64_t k, int64_t first) const {
    if (!sampled_) {
      Tensor direction = -p;
      direction.select(1, k) += 1;
      return direction * p.select(1, k).sqrt().unsqueeze(1);
    }
    const RandomStream own =
        stream_.child(static_cast<uint64_t>(k)).child(static_cast<uint64_t>(first));
    const Tensor signed_root = p.sqrt() * random_signs(p.sizes(), own).to(p.device());
    return signed_root - p * signed_root.sum(1, /*keepdim=*/true);
  }

 private:
  bool sampled_;
  RandomStream stream_;
};

// Columns first..last-1: the mean over all images of each site's squared norms, per column.
std::vector<std::vector<double>> sums_of_squares(Network& network, const std::vector<Batch>& parts,
                                                 const std::vector<Site>& sites,
                                                 const Columns& columns, int64_t first,
                                                 int64_t last) {
  const Graph& graph = network.graph();
  std::vector<std::vector<double>> out(sites.size(),
                                       std::vector<double>(static_cast<size_t>(last - first)));
  double images = 0;
  for (const Batch& part : parts) images += static_cast<double>(part.input.size(0));
  int64_t position = 0;
  for (const Batch& part : parts) {
    Batch batch = part;
    batch.input = part.input.detach().clone().requires_grad_();
    std::vector<Tensor> values, watched;
    network.run(batch, values, 0, graph.output(), /*keep=*/true);
    for (const Site& site : sites) watched.push_back(values[static_cast<size_t>(site.point.node)]);

    std::vector<std::optional<GradientNorm>> norms(sites.size());
    {
      const torch::NoGradGuard no_grad;
      for (size_t i = 0; i < sites.size(); ++i) {
        const Node& node = graph.nodes[static_cast<size_t>(sites[i].point.node)];
        if (sites[i].is_weight())
          norms[i].emplace(node.operation, values[static_cast<size_t>(node.inputs[0])]);
      }
    }
    const Tensor p = torch::softmax(values.back().detach(), 1);
    for (int64_t k = first; k < last; ++k) {
      const auto deltas =
          torch::autograd::grad({values.back()}, watched, {columns(p, k, position)},
                                /*retain_graph=*/k + 1 < last, false, /*allow_unused=*/true);
      const torch::NoGradGuard no_grad;
      for (size_t i = 0; i < sites.size(); ++i) {
        if (!deltas[i].defined()) continue;
        const Tensor squares =
            norms[i] ? (*norms[i])(deltas[i]) : deltas[i].square().flatten(1).sum(1);
        out[i][static_cast<size_t>(k - first)] +=
            squares.sum(torch::kDouble).item<double>() / images;
      }
    }
    position += part.input.size(0);
  }
  return out;
}

}  // namespace

bool has_exact_traces(const Graph& graph) {
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    const Operation& o = node.operation;
    return !std::holds_alternative<op::Elu>(o) && !std::holds_alternative<op::Attention>(o) &&
           !std::holds_alternative<op::Propagate>(o) && !std::holds_alternative<op::ReadOut>(o);
  });
}

std::vector<TraceEstimate> exact_traces(Network& network, const std::vector<Batch>& batches,
                                        const std::vector<Site>& sites, const RandomStream& stream,
                                        const TraceTarget& target, int64_t most_classes) {
  require(!network.is_training() && !(network.has_taps() && network.taps_enabled()),
          "Traces are taken of a network in evaluation, its taps off.");
  require(has_exact_traces(network.graph()), "{} is not piecewise linear.", network.graph().name);
  const FrozenParameters frozen(network);
  const std::vector<Batch> parts = in_parts(batches);
  const int64_t classes = network.graph().class_count;
  const Columns columns(classes, most_classes, stream);

  std::vector<TraceEstimate> out(sites.size());
  if (!columns.sampled()) {
    const auto sums = sums_of_squares(network, parts, sites, columns, 0, classes);
    for (size_t i = 0; i < sites.size(); ++i) {
      out[i].samples = classes;
      for (double sum : sums[i]) out[i].trace += sum;
    }
    return out;
  }

  std::vector<std::vector<double>> samples(sites.size());
  bool met = false;
  for (int64_t first = 0; first < target.most && !met;) {
    const int64_t last = std::min(first + target.least, target.most);
    const auto more = sums_of_squares(network, parts, sites, columns, first, last);
    first = last;
    double largest = 0;
    for (size_t i = 0; i < sites.size(); ++i) {
      samples[i].insert(samples[i].end(), more[i].begin(), more[i].end());
      out[i] = estimate_of(samples[i]);
      largest = std::max(largest, out[i].trace);
    }
    met = std::all_of(out.begin(), out.end(),
                      [&](const TraceEstimate& e) { return target.met(e, largest); });
  }
  return out;
}

}  // namespace quantbench
