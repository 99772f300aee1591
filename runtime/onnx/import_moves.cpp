#include <algorithm>

#include "runtime/onnx/importer.h"

namespace quantbench {

void Importer::concat(const ForeignNode& node) {
  need(node.integer("axis", 0) == 1 && node.inputs.size() >= 2, node, "it does not join channels");
  std::vector<int> inputs;
  for (size_t port = 0; port < node.inputs.size(); ++port)
    inputs.push_back(value_of(node, port).node);
  give(node, add(node, op::Concat{}, inputs));
}

void Importer::relu(const ForeignNode& node) {
  give(node, add(node, op::Relu{}, {value_of(node, 0).node}));
}

void Importer::elu(const ForeignNode& node) {
  need(node.number("alpha", 1) == 1, node, "its alpha is not 1");
  give(node, add(node, op::Elu{}, {value_of(node, 0).node}));
}

void Importer::moving(const ForeignNode& node, const std::function<int(int)>& make) {
  const auto quantized = quantized_.find(node.inputs.empty() ? "" : node.inputs[0]);
  if (quantized == quantized_.end()) {
    const Value value = value_of(node, 0);
    const int ours = make(value.node);
    return give(node, ours, ours != value.node || value.exclusive);
  }
  QuantizedValue moved = quantized->second;
  moved.value = formatted(node, moved);
  moved.value = {make(moved.value.node), true};
  quantized_[node.outputs[0]] = moved;
}

int64_t Importer::square(const ForeignNode& node, const char* name, int64_t otherwise) const {
  const auto list = node.list(name, {otherwise, otherwise});
  need(list.size() == 2 && list[0] == list[1] && list[0] > 0, node, "its {} is not square", name);
  return list[0];
}

int64_t Importer::even_pads(const ForeignNode& node) const {
  const auto pads = node.list("pads", {0, 0, 0, 0});
  need(pads.size() == 4 &&
           std::all_of(pads.begin(), pads.end(), [&](int64_t p) { return p == pads[0] && p >= 0; }),
       node, "its pads differ");
  need(node.text("auto_pad", "NOTSET") == "NOTSET" && node.integer("ceil_mode", 0) == 0 &&
           node.list("dilations", {1, 1}) == std::vector<int64_t>({1, 1}),
       node, "its windows are rounded up, dilated or padded by a rule");
  return pads[0];
}

void Importer::max_pool(const ForeignNode& node) {
  const op::MaxPool pool{square(node, "kernel_shape", 0), square(node, "strides", 1),
                         even_pads(node)};
  moving(node, [&](int x) { return add(node, pool, {x}); });
}

void Importer::average_pool(const ForeignNode& node) {
  const int64_t border = even_pads(node);
  need(border == 0 || node.integer("count_include_pad", 0) == 1, node,
       "an average that leaves borders out is not known to packages");
  const op::AvgPool pool{square(node, "kernel_shape", 0), square(node, "strides", 1), border};
  give(node, add(node, pool, {value_of(node, 0).node}));
}

void Importer::global_average_pool(const ForeignNode& node) {
  give(node, add(node, op::GlobalAvgPool{}, {value_of(node, 0).node}));
}

void Importer::reduce_mean(const ForeignNode& node) {
  const auto axes = given(node, 1) ? whole_numbers(node, 1, "axes") : node.list("axes", {});
  const std::set<int64_t> set(axes.begin(), axes.end());
  need(set == std::set<int64_t>({2, 3}) || set == std::set<int64_t>({-1, -2}), node,
       "it is no mean over an image");
  global_average_pool(node);
}

void Importer::flatten(const ForeignNode& node) {
  if (node.operation == "Flatten") {
    need(node.integer("axis", 1) == 1, node, "its axis is not 1");
  } else {
    const auto to = whole_numbers(node, 1, "sizes");
    need(to.size() == 2 && (to[0] == 0 || to[0] == -1 || to[1] == -1), node,
         "it makes anything but rows of features");
  }
  moving(node, [&](int x) {
    if (shapes_[static_cast<size_t>(x)].size() == 1) return x;
    return add(node, op::Flatten{}, {x});
  });
}

void Importer::squeeze(const ForeignNode& node) {
  moving(node, [&](int x) {
    need(shapes_[static_cast<size_t>(x)].size() == 1, node, "it squeezes an image");
    return x;
  });
}

void Importer::slice(const ForeignNode& node) {
  need(given(node, 4), node, "only slices with steps, in front of a shortcut, are taken");
  const auto from = whole_numbers(node, 1, "starts"), axes = whole_numbers(node, 3, "axes");
  const auto to = whole_numbers(node, 2, "ends"), steps = whole_numbers(node, 4, "steps");
  need(from == std::vector<int64_t>({0, 0}) && axes == std::vector<int64_t>({2, 3}) &&
           steps.size() == 2 && steps[0] == steps[1] && steps[0] > 0 && to.size() == 2,
       node, "it takes anything but every k-th row and column");
  moving(node, [&](int x) {
    const auto& size = shapes_[static_cast<size_t>(x)];
    need(size.size() == 3 && to[0] >= size[1] && to[1] >= size[2], node, "it cuts off an edge");
    return add(node, op::PadShortcut{steps[0], 0, 0}, {x});
  });
}

void Importer::pad(const ForeignNode& node) {
  const auto pads = given(node, 1) ? whole_numbers(node, 1, "pads") : node.list("pads", {});
  need(node.text("mode", "constant") == "constant" && pads.size() == 8, node,
       "it pads by anything but zeros");
  for (size_t i : {0, 2, 3, 4, 6, 7}) need(pads[i] == 0, node, "it pads more than channels");
  need(pads[1] >= 0 && pads[5] >= 0, node, "it cuts channels off");
  if (given(node, 2)) {
    const Tensor* value = constant_at(node, 2);
    need(value && value->numel() == 1 && value->to(torch::kDouble).item<double>() == 0, node,
         "it pads by anything but zeros");
  }
  need(quantized_.count(node.inputs[0]) == 0, node, "it pads codes");
  const Value x = value_of(node, 0);
  Graph& graph = package_.graph;
  // Together with the slice before it, if nobody else reads that.
  auto* before = std::get_if<op::PadShortcut>(&graph.nodes[static_cast<size_t>(x.node)].operation);
  if (before && before->before == 0 && before->after == 0 && x.exclusive &&
      x.node == graph.output()) {
    before->before = pads[1];
    before->after = pads[5];
    shapes_ = infer_shapes(graph);
    return give(node, x.node);
  }
  give(node, add(node, op::PadShortcut{1, pads[1], pads[5]}, {x.node}));
}

}  // namespace quantbench
