#include "methods/degree_quant/message_sum.h"

#include "methods/common/custom_gradient.h"
#include "methods/common/kernel_grids.h"
#include "methods/degree_quant/message_kernels.h"

namespace quantbench {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Nodes of a block: what one thread does at a time, whatever their number.
constexpr int64_t kNodes = 256;

// Kept for the backward pass, where the batch that owns the topology is still alive.
struct Passing : torch::CustomClassHolder {
  const Topology* topology = nullptr;
  Tensor weight, keep;  // contiguous or undefined
  kernels::Grid grid;
  bool clipped = false;
  Watch* watch = nullptr;  // during the forward pass

  kernels::Messages messages(const EdgeRows& edges, int64_t width) const {
    return {edges, keep.defined() ? keep.data_ptr<uint8_t>() : nullptr, width, grid, clipped};
  }
};
using PassingPointer = c10::intrusive_ptr<Passing>;

// body(block, first node, last node)
template <typename Body>
void for_blocks(int64_t nodes, const Body& body) {
  at::parallel_for(0, (nodes + kNodes - 1) / kNodes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      body(block, block * kNodes, std::min(nodes, (block + 1) * kNodes));
  });
}

struct MessageSum : Function<MessageSum> {
  static Tensor forward(AutogradContext* context, const Tensor& given, const PassingPointer& how) {
    const Tensor x = given.contiguous();
    context->save_for_backward({x});
    context->saved_data["how"] = c10::IValue::make_capsule(how);
    Tensor out = torch::zeros_like(x);
    const kernels::Messages messages =
        how->messages(edges_by_target(*how->topology, how->weight), x.size(1));
    const Watch limits = how->watch ? *how->watch : Watch{};
    std::vector<kernels::Beyond> seen(static_cast<size_t>((x.size(0) + kNodes - 1) / kNodes));
    for_blocks(x.size(0), [&](int64_t block, int64_t first, int64_t last) {
      seen[static_cast<size_t>(block)] =
          kernels::sum_quantized(x.data_ptr<float>(), messages, first, last, out.data_ptr<float>(),
                                 limits.low, limits.high);
    });
    if (how->watch)
      for (const kernels::Beyond& each : seen) how->watch->seen += each;
    how->watch = nullptr;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const Tensor x = context->get_saved_variables()[0];
    const auto& how = static_cast<const Passing&>(*context->saved_data["how"].toCapsule());
    const Tensor g = gradients[0].contiguous();
    Tensor dx = torch::zeros_like(x);
    const kernels::Messages messages =
        how.messages(edges_by_source(*how.topology, how.weight), x.size(1));
    for_blocks(x.size(0), [&](int64_t, int64_t first, int64_t last) {
      kernels::sum_gated(x.data_ptr<float>(), g.data_ptr<float>(), messages, first, last,
                         dx.data_ptr<float>());
    });
    return {dx, {}};
  }
};

}  // namespace

Tensor masked_message_sum(const Tensor& x, const Tensor& weight, const Topology& topology,
                          const Tensor& keep, const UniformFormat& format, GradientRule rule,
                          Watch* watch) {
  require(x.dim() == 2 && x.size(0) == topology.node_count(),
          "Messages of {} nodes come from {} rows.", topology.node_count(), x.size(0));
  for (const Tensor& by_edge : {weight, keep})
    require(!by_edge.defined() || by_edge.numel() == topology.edge_count(),
            "{} edges have {} factors or marks.", topology.edge_count(),
            by_edge.defined() ? by_edge.numel() : 0);
  auto how = c10::make_intrusive<Passing>();
  how->topology = &topology;
  if (weight.defined()) how->weight = weight.contiguous();
  if (keep.defined()) how->keep = keep.contiguous();
  how->grid = kernel_grids(format).front();
  how->clipped = rule == GradientRule::Clipped;
  how->watch = watch;
  return MessageSum::apply(x, how);
}

}  // namespace quantbench
